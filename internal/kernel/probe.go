package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hawser/internal/discovery"
	"hawser/internal/host"
)

// Times of questions: the next one is asked after pace, which doubles up to
// slowest, as a physical switch may take a while to let a port through.
const (
	pace    = 100 * time.Millisecond
	slowest = time.Second
	// quiet is how many questions nobody has to answer before an address counts
	// as free. RFC 5227 asks as often, over longer, for networks of its day.
	quiet = 3
	// shy is how many questions are asked of a gateway without an own address.
	shy = 3
)

// ErrTaken is returned for an address that somebody else has.
var ErrTaken = errors.New("somebody else has the address")

// Prober asks the networks of pods, through their own ends.
type Prober struct{}

// Reach waits until every gateway has answered the pod's questions. It does so
// before the pod has its addresses: they may be another's.
func (Prober) Reach(ctx context.Context, link host.PodLink, gateways []netip.Addr) error {
	wire, err := openWire(link)
	if err != nil {
		return err
	}
	defer wire.close()
	for _, gateway := range gateways {
		if err := wire.reach(ctx, gateway); err != nil {
			return fmt.Errorf("gateway %s does not answer: %w", gateway, err)
		}
	}
	return nil
}

// Claim gives ErrTaken, with the MAC of who has it, if one of the pod's
// addresses is in use. Else it tells the network that they are here.
func (Prober) Claim(ctx context.Context, link host.PodLink) error {
	wire, err := openWire(link)
	if err != nil {
		return err
	}
	defer wire.close()
	for _, address := range link.Addresses {
		if err := wire.claim(ctx, address.Addr()); err != nil {
			return err
		}
	}
	for _, address := range link.Addresses {
		if err := wire.say(discovery.Announcement(link.MAC, address.Addr())); err != nil {
			return err
		}
	}
	return nil
}

// wire is a packet socket on the pod's end.
type wire struct {
	link   host.PodLink
	socket *os.File
}

func openWire(link host.PodLink) (*wire, error) {
	pod, err := netns.GetFromPath(link.NetNS)
	if err != nil {
		return nil, fmt.Errorf("open the pod's network namespace %s: %w", link.NetNS, err)
	}
	defer pod.Close()
	var socket *os.File
	made := make(chan error)
	go func() {
		// The thread is not unlocked: it ends here, and takes the namespace along.
		runtime.LockOSThread()
		err := netns.Set(pod)
		if err == nil {
			socket, err = packetSocket(link.Name)
		}
		made <- err
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("open a packet socket on %s of %s: %w", link.Name, link.Owner, err)
	}
	return &wire{link: link, socket: socket}, nil
}

func packetSocket(device string) (*os.File, error) {
	on, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: on.Index}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "packets of "+device), nil
}

func (w *wire) close() { w.socket.Close() }

func (w *wire) say(frame []byte) error {
	if _, err := w.socket.Write(frame); err != nil {
		return fmt.Errorf("send from %s of %s: %w", w.link.Name, w.link.Owner, err)
	}
	return nil
}

// reach asks for a gateway until it answers.
func (w *wire) reach(ctx context.Context, gateway netip.Addr) error {
	for n, wait := 0, pace; ; n, wait = n+1, min(2*wait, slowest) {
		if err := w.say(discovery.Question(w.link.MAC, w.asker(gateway, n), gateway)); err != nil {
			return err
		}
		_, found, err := w.hear(ctx, wait, func(said discovery.Answer) bool {
			return said.Reply && said.Address == gateway && said.MAC != w.link.MAC
		})
		if found || err != nil {
			return err
		}
	}
}

// asker is who asks: for IPv6 the pod's link-local address, for IPv4 nobody at
// first, and the pod where a router answers nobody.
func (w *wire) asker(gateway netip.Addr, n int) netip.Addr {
	if gateway.Is6() {
		return w.link.MAC.LinkLocal()
	}
	for _, address := range w.link.Addresses {
		if n >= shy && address.Addr().Is4() {
			return address.Addr()
		}
	}
	return netip.IPv4Unspecified()
}

// claim asks for an address and hopes that nobody answers.
func (w *wire) claim(ctx context.Context, address netip.Addr) error {
	nobody := netip.IPv4Unspecified()
	if address.Is6() {
		nobody = netip.IPv6Unspecified()
	}
	for range quiet {
		if err := w.say(discovery.Question(w.link.MAC, nobody, address)); err != nil {
			return err
		}
		said, found, err := w.hear(ctx, pace, func(said discovery.Answer) bool {
			return said.Address == address && said.MAC != w.link.MAC
		})
		if err != nil {
			return err
		}
		if found {
			return fmt.Errorf("%s answers for %s: %w", said.MAC, address, ErrTaken)
		}
	}
	return nil
}

// hear listens for a while for an answer that counts.
func (w *wire) hear(ctx context.Context, while time.Duration, counts func(discovery.Answer) bool) (said discovery.Answer, found bool, err error) {
	if err := w.socket.SetReadDeadline(time.Now().Add(while)); err != nil {
		return said, false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = w.socket.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	frame := make([]byte, 2048)
	for {
		n, err := w.socket.Read(frame)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return said, false, ctx.Err()
		}
		if err != nil {
			return said, false, fmt.Errorf("listen on %s of %s: %w", w.link.Name, w.link.Owner, err)
		}
		if said, ok := discovery.Read(frame[:n]); ok && counts(said) {
			return said, true, nil
		}
	}
}
