package takeover

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// door is the way to rtnetlink of the namespace that it was opened in.
type door struct {
	handle *netlink.Handle
	socket *nl.SocketHandle
}

// openDoor asks for dumps that the kernel filters (Linux 4.20): the node may have
// a million routes by other devices.
func openDoor() (*door, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket for takeovers: %w", err)
	}
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("open a netlink socket for takeovers: %w", err)
	}
	d := &door{handle: handle, socket: &nl.SocketHandle{Socket: socket}}
	err = errors.Join(
		unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1),
		socket.SetExtAck(true))
	if err != nil {
		d.close()
		return nil, fmt.Errorf("ask for filtered dumps: %w", err)
	}
	return d, nil
}

func (d *door) close() {
	d.socket.Socket.Close()
	d.handle.Close()
}

// attempts bounds how often a dump is repeated that a change interrupted.
const attempts = 10

// dump lists what a question is about.
func (d *door) dump(ask, answer uint16, question message) ([]message, error) {
	var raw [][]byte
	err := error(netlink.ErrDumpInterrupted)
	for i := 0; i < attempts && errors.Is(err, netlink.ErrDumpInterrupted); i++ {
		request := nl.NewNetlinkRequest(int(ask), unix.NLM_F_DUMP)
		request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: d.socket}
		request.AddRawData(question.bytes())
		raw, err = request.Execute(unix.NETLINK_ROUTE, answer)
	}
	if err != nil {
		return nil, err
	}
	var out []message
	for _, one := range raw {
		m, err := parse(one, len(question.header))
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// send has the kernel do what a message says. An error that says that it is so
// already is none.
func (d *door) send(kind uint16, flags int, m message, already ...error) error {
	request := nl.NewNetlinkRequest(int(kind), flags|unix.NLM_F_ACK)
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: d.socket}
	request.AddRawData(m.bytes())
	_, err := request.Execute(unix.NETLINK_ROUTE, 0)
	for _, fine := range already {
		if errors.Is(err, fine) {
			return nil
		}
	}
	return err
}

// families are those that addresses, routes and rules are listed of.
var families = []byte{unix.AF_INET, unix.AF_INET6}

// device is a link; the zero device is one that is not there.
type device struct {
	index int
	name  string
}

func (d device) there() bool { return d.index != 0 }

// find gives the zero link of a name that nobody has.
func (d *door) find(name string) (netlink.Link, error) {
	link, err := d.handle.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, nil //nolint:nilnil // a link that is not there is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	return link, nil
}

// nic finds the NIC under either of its names.
func (d *door) nic(u host.Uplink) (device, error) {
	for _, name := range []string{u.Device(), u.NIC} {
		link, err := d.find(name)
		if err != nil {
			return device{}, err
		}
		if link != nil && link.Attrs().Name == name && !host.MadeBySwitch(link.Type()) {
			return deviceOf(link), nil
		}
	}
	return device{}, nil
}

// bridge finds the device of the bridge.
func (d *door) bridge(u host.Uplink) (device, error) {
	link, err := d.find(u.Bridge)
	if err != nil || link == nil || link.Attrs().Name != u.Bridge || !host.MadeBySwitch(link.Type()) {
		return device{}, err
	}
	return deviceOf(link), nil
}

func deviceOf(link netlink.Link) device {
	return device{index: link.Attrs().Index, name: link.Attrs().Name}
}

// mustNIC is host.ErrMissing where the NIC is not there.
func (d *door) mustNIC(u host.Uplink) (device, error) {
	nic, err := d.nic(u)
	if err == nil && !nic.there() {
		err = fmt.Errorf("%s: %w", u.NIC, host.ErrMissing)
	}
	return nic, err
}

// both are the NIC and the bridge's device; either may not be there.
func (d *door) both(u host.Uplink) (nic, bridge device, err error) {
	if nic, err = d.nic(u); err != nil {
		return nic, bridge, err
	}
	bridge, err = d.bridge(u)
	return nic, bridge, err
}

// mustBoth is host.ErrMissing where either is not there.
func (d *door) mustBoth(u host.Uplink) (nic, bridge device, err error) {
	if nic, err = d.mustNIC(u); err != nil {
		return nic, bridge, err
	}
	bridge, err = d.bridge(u)
	if err == nil && !bridge.there() {
		err = fmt.Errorf("%s: %w", u.Bridge, host.ErrMissing)
	}
	return nic, bridge, err
}
