package uplink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/discovery"
	"hawser/internal/host"
)

// Probe asks a next hop of the host who it is, from the NIC's own address and from
// one that nobody has. Where only the first is answered, something upstream lets
// through no addresses but the NIC's: a hypervisor, or a switch with port security.
// Next hops are asked in turn until one answers at all, three at most. It takes
// three seconds for each at most and ends with the context.
//
// Nobody learns anything but switches, which forget: the sender's IP address is
// unspecified (RFC 5227, RFC 4862), except that the stranger has a link-local IPv6
// address, because an answer to everybody would not show that one gets to it.
func (c *Client) Probe(ctx context.Context, u host.Uplink) (found host.Probe, err error) {
	ways, err := c.waysOut(u)
	if err != nil {
		return found, err
	}
	for _, way := range ways[:min(len(ways), mostAsked)] {
		if found, err = way.probe(ctx); err != nil || found.Own {
			return found, err
		}
	}
	return found, nil
}

// Next hops that a probe asks, requests to each, and how long each request waits
// for its answer.
const (
	mostAsked = 3
	requests  = 3
	patience  = time.Second
)

// wayOut is a next hop of the host, and the device that leads there.
type wayOut struct {
	device netlink.Link
	hop    netip.Addr
}

// waysOut are in the order of their addresses, those of IPv4 first. On the VLANs
// of the NIC strangers are heard as on the NIC itself, which a bridge or a macvlan
// would keep from us.
func (l *links) waysOut(u host.Uplink) (ways []wayOut, err error) {
	nic, err := l.find(u.NIC)
	if err != nil {
		return nil, err
	}
	links, err := dump(l.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	for _, leg := range legsOf(nic, links) {
		if _, isVLAN := leg.link.(*netlink.Vlan); !isVLAN && leg.link != nic {
			continue
		}
		hops, err := listGateways(leg.link.Attrs().Index)
		if err != nil {
			return nil, err
		}
		for hop := range hops {
			ways = append(ways, wayOut{device: leg.link, hop: hop})
		}
	}
	slices.SortFunc(ways, func(a, b wayOut) int { return a.hop.Compare(b.hop) })
	return ways, nil
}

func (w wayOut) probe(ctx context.Context) (found host.Probe, err error) {
	found.Asked = w.hop
	nobody := netip.IPv4Unspecified()
	if w.hop.Is6() {
		nobody = netip.IPv6Unspecified()
	}
	found.Own, err = w.ask(ctx, macOf(w.device), nobody)
	if err != nil || !found.Own {
		return found, err
	}
	stranger := throwaway()
	if w.hop.Is6() {
		nobody = stranger.LinkLocal()
	}
	found.Foreign, err = w.ask(ctx, stranger, nobody)
	return found, err
}

// throwaway is a random address that is locally administered (IEEE 802).
func throwaway() (mac host.MAC) {
	_, _ = rand.Read(mac[:]) // it never fails
	mac[0] = mac[0]&^1 | 2
	return mac
}

// ask sends the question until it is answered to this MAC; who has no IPv6 address
// is told by telling all.
func (w wayOut) ask(ctx context.Context, mac host.MAC, asker netip.Addr) (answered bool, err error) {
	socket, err := w.listen()
	if err != nil {
		return false, fmt.Errorf("open a packet socket on %s for a probe: %w", w.device.Attrs().Name, err)
	}
	defer socket.Close()
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	defer stop()
	toMe := func(to host.MAC) bool { return to == mac || asker == netip.IPv6Unspecified() }
	for range requests {
		if _, err := socket.Write(discovery.Question(mac, asker, w.hop)); err != nil {
			return false, fmt.Errorf("send a probe to %s: %w", w.device.Attrs().Name, errors.Join(err, ctx.Err()))
		}
		answered, err := w.hear(socket, toMe)
		if answered || err != nil {
			return answered, errors.Join(err, ctx.Err())
		}
	}
	return false, ctx.Err()
}

// listen opens a socket that the runtime can wait on, and that hears nothing but
// answers: a busy NIC's IPv6 would bury them.
func (w wayOut) listen() (*os.File, error) {
	protocol, filter := uint16(unix.ETH_P_ARP), everyFrame
	if w.hop.Is6() {
		protocol, filter = unix.ETH_P_IPV6, advertisements
	}
	protocol = protocol>>8 | protocol<<8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: w.device.Attrs().Index})
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "probe"), nil
}

// Filters of packet sockets, in the language of bpf(4).
var (
	everyFrame     = []unix.SockFilter{{Code: unix.BPF_RET, K: wholeFrame}}
	advertisements = []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: nextHeader},
		{Code: unix.BPF_JMP | unix.BPF_JEQ, K: unix.IPPROTO_ICMPV6, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: icmp6Type},
		{Code: unix.BPF_JMP | unix.BPF_JEQ, K: neighbourSays, Jf: 1},
		{Code: unix.BPF_RET, K: wholeFrame},
		{Code: unix.BPF_RET, K: 0},
	}
)

// Where things are in a frame of IPv6 (RFC 8200), and what they are in the answer
// of a neighbour (RFC 4861).
const (
	nextHeader    = 14 + 6
	icmp6Type     = 14 + 40
	neighbourSays = 136
	wholeFrame    = 0xffff
)

// hear is false when the time is up.
func (w wayOut) hear(socket *os.File, toMe func(host.MAC) bool) (bool, error) {
	if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	frame := make([]byte, 2048)
	for {
		n, err := socket.Read(frame)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if said, ok := discovery.Read(frame[:n]); ok && said.Reply && said.Address == w.hop && toMe(said.To) {
			return true, nil
		}
	}
}
