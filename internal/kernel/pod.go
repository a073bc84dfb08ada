package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// Connect lays the cable between a pod and the switch, and leaves the pod's end
// down, so that nothing passes yet. The pod's end is made in its namespace at
// once: moving a device there costs a grace period of the kernel. A cable that
// an earlier, interrupted call laid is taken over; a piece of one is replaced.
//
// The host end is up before Open vSwitch hears of it: when the userspace
// datapath takes a port, it reads the device's flags, adds IFF_PROMISC and
// writes them back, which sets a device down that came up in between.
func (c *Client) Connect(ctx context.Context, want host.PodLink) error {
	pod, err := c.enter(ctx, want)
	if err != nil {
		return err
	}
	defer pod.close()
	end, err := pod.hostEnd()
	if err != nil {
		return err
	}
	if err := pod.silence(end); err != nil {
		return err
	}
	if err := pod.handle.LinkSetUp(end); err != nil {
		return fmt.Errorf("set %s up: %w", want.Host, err)
	}
	return nil
}

// Configure gives the pod's end its MAC, MTU, addresses and routes, and sets it
// up, which closes the circuit.
func (c *Client) Configure(ctx context.Context, want host.PodLink) error {
	pod, err := c.enter(ctx, want)
	if err != nil {
		return err
	}
	defer pod.close()
	end, err := pod.podEnd()
	if err != nil {
		return err
	}
	for _, step := range []func(netlink.Link) error{pod.shape, pod.setAddresses, pod.setUp, pod.setRoutes} {
		if err := step(end); err != nil {
			return err
		}
	}
	return nil
}

// Disconnect takes a cable away by the name of its host end; that there is none
// is no error. A device of that name that is no veth is not ours and stays.
func (c *Client) Disconnect(ctx context.Context, hostEnd string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	have, err := c.handle.LinkByName(hostEnd)
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find link %s: %w", hostEnd, err)
	}
	if have.Type() != "veth" {
		return fmt.Errorf("link %s is a %s device, not the veth of a pod; it is left alone", hostEnd, have.Type())
	}
	if err := c.handle.LinkDel(have); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete link %s: %w", hostEnd, err)
	}
	return nil
}

// Check compares a cable with what is wanted of it and says what is wrong.
func (c *Client) Check(ctx context.Context, want host.PodLink) error {
	pod, err := c.enter(ctx, want)
	if err != nil {
		return err
	}
	defer pod.close()
	return pod.check()
}

// PodLinks lists all veths here that carry an owner, with Host and Owner only.
func (c *Client) PodLinks(ctx context.Context) ([]host.PodLink, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	links, err := dump(c.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	var found []host.PodLink
	for _, link := range links {
		if attrs := link.Attrs(); link.Type() == "veth" && attrs.Alias != "" {
			found = append(found, host.PodLink{Host: attrs.Name, Owner: attrs.Alias})
		}
	}
	return found, nil
}

// SetPodLinks sets the host ends of all pods up, or down, and counts those that
// were not.
func (c *Client) SetPodLinks(ctx context.Context, up bool) (changed int, err error) {
	work, err := c.begin(ctx)
	if err != nil {
		return 0, err
	}
	set, word := c.handle.LinkSetDown, "down"
	if up {
		set, word = c.handle.LinkSetUp, "up"
	}
	for name, link := range work.links {
		attrs := link.Attrs()
		if link.Type() != "veth" || attrs.Alias == "" || attrs.Group != host.DeafGroup || up == (attrs.RawFlags&unix.IFF_UP != 0) {
			continue
		}
		if err := set(link); !errors.Is(err, unix.ENODEV) { // else its pod went meanwhile
			work.done(err, "set %s %s", name, word)
		}
	}
	return work.result()
}

// podWork is one call for one cable, with a socket in the pod's namespace.
type podWork struct {
	want   host.PodLink
	handle *netlink.Handle // here
	ns     netns.NsHandle
	inside *netlink.Handle // in the pod
}

func (c *Client) enter(ctx context.Context, want host.PodLink) (*podWork, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ns, err := netns.GetFromPath(want.NetNS)
	if err != nil {
		return nil, fmt.Errorf("open the pod's network namespace %s: %w", want.NetNS, err)
	}
	inside, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		ns.Close()
		return nil, fmt.Errorf("open a netlink socket in network namespace %s: %w", want.NetNS, err)
	}
	return &podWork{want: want, handle: c.handle, ns: ns, inside: inside}, nil
}

func (w *podWork) close() {
	w.inside.Close()
	w.ns.Close()
}

// hostEnd finds the pair, or makes it.
func (w *podWork) hostEnd() (netlink.Link, error) {
	have, err := w.handle.LinkByName(w.want.Host)
	switch {
	case absent(err):
		return w.makePair()
	case err != nil:
		return nil, fmt.Errorf("find link %s: %w", w.want.Host, err)
	}
	if pod, err := w.inside.LinkByName(w.want.Name); err == nil && paired(have, pod) {
		return have, nil
	}
	if err := w.handle.LinkDel(have); err != nil {
		return nil, fmt.Errorf("delete link %s, whose other end is not in this pod: %w", w.want.Host, err)
	}
	return w.makePair()
}

func (w *podWork) makePair() (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Group = w.want.Host, w.want.MTU, host.DeafGroup
	pair := &netlink.Veth{
		LinkAttrs: attrs, PeerName: w.want.Name, PeerNamespace: netlink.NsFd(w.ns),
		PeerHardwareAddr: w.want.MAC[:], PeerTxQLen: -1,
	}
	err := w.handle.LinkAdd(pair)
	if errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("the pod has a link %s already, which is not ours; is a second CNI plugin at work? (%w)", w.want.Name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("make the veth pair %s: %w", w.want.Host, err)
	}
	return pair, nil
}

// paired tells whether two veths in different namespaces are ends of one pair.
func paired(here, there netlink.Link) bool {
	return here.Attrs().ParentIndex == there.Attrs().Index && there.Attrs().ParentIndex == here.Attrs().Index
}

// silence marks the host end as ours and keeps the kernel from hearing or
// speaking on it: its frames are the switch's. In the kernel datapath Open
// vSwitch takes each frame before the host's stack does; the userspace datapath
// only gets a copy.
func (w *podWork) silence(end netlink.Link) error {
	if err := w.handle.LinkSetAlias(end, w.want.Owner); err != nil {
		return fmt.Errorf("set the alias of %s: %w", w.want.Host, err)
	}
	if err := w.handle.LinkSetARPOff(end); err != nil {
		return fmt.Errorf("set noarp on %s: %w", w.want.Host, err)
	}
	if end.Attrs().Group != host.DeafGroup {
		if err := w.handle.LinkSetGroup(end, host.DeafGroup); err != nil {
			return fmt.Errorf("put %s into group %d: %w", w.want.Host, host.DeafGroup, err)
		}
	}
	err := w.handle.LinkSetIP6AddrGenMode(end, nl.IN6_ADDR_GEN_MODE_NONE)
	if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) { // a kernel without IPv6
		return fmt.Errorf("keep %s without a link-local address: %w", w.want.Host, err)
	}
	return nil
}

// podEnd finds the pod's end.
func (w *podWork) podEnd() (netlink.Link, error) {
	end, err := w.inside.LinkByName(w.want.Name)
	if err != nil {
		return nil, fmt.Errorf("find link %s in the pod: %w", w.want.Name, err)
	}
	return end, nil
}

func (w *podWork) shape(end netlink.Link) error {
	if !sameMAC(end, w.want.MAC) {
		if err := w.inside.LinkSetHardwareAddr(end, w.want.MAC[:]); err != nil {
			return fmt.Errorf("set MAC %s on %s in the pod: %w", w.want.MAC, w.want.Name, err)
		}
	}
	if w.want.MTU != 0 && end.Attrs().MTU != w.want.MTU {
		if err := w.inside.LinkSetMTU(end, w.want.MTU); err != nil {
			return fmt.Errorf("set MTU %d on %s in the pod: %w", w.want.MTU, w.want.Name, err)
		}
	}
	return nil
}

func (w *podWork) setUp(end netlink.Link) error {
	if err := w.inside.LinkSetUp(end); err != nil {
		return fmt.Errorf("set %s in the pod up: %w", w.want.Name, err)
	}
	return nil
}

func absent(err error) bool {
	var missing netlink.LinkNotFoundError
	return errors.As(err, &missing)
}
