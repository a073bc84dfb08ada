package uplink

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// Probe asks the host's IPv4 gateway on the NIC for its address, from the NIC's
// own and from an address that nobody has. Where only the first is answered,
// something upstream lets through no addresses but the NIC's: a hypervisor, or a
// switch with port security. Without a gateway, or one that answers, there is no
// verdict. It takes a few seconds at most and ends with the context.
//
// The sender's IP address is 0.0.0.0 (RFC 5227), so that nobody learns anything.
func (c *Client) Probe(ctx context.Context, u host.Uplink) (blocked bool, err error) {
	nic, err := c.find(u.NIC)
	if err != nil {
		return false, err
	}
	gateways, err := listGateways(nic.Attrs().Index)
	if err != nil {
		return false, err
	}
	for gateway := range gateways {
		if !gateway.Is4() {
			continue
		}
		own, err := asks(ctx, nic.Attrs().Index, macOf(nic), gateway)
		if err != nil || !own {
			return false, err
		}
		foreign, err := asks(ctx, nic.Attrs().Index, throwaway(), gateway)
		return !foreign, err
	}
	return false, nil
}

// throwaway is a random address that is locally administered (IEEE 802).
func throwaway() (mac host.MAC) {
	_, _ = rand.Read(mac[:]) // it never fails
	mac[0] = mac[0]&^1 | 2
	return mac
}

// Requests of a probe, and how long each waits for its answer.
const (
	requests = 3
	patience = time.Second
)

func asks(ctx context.Context, device int, from host.MAC, target netip.Addr) (answered bool, err error) {
	socket, err := openARP(device)
	if err != nil {
		return false, fmt.Errorf("open a packet socket for a probe: %w", err)
	}
	defer socket.Close()
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	defer stop()
	for range requests {
		if _, err := socket.Write(arpRequest(from, target)); err != nil {
			return false, fmt.Errorf("send a probe: %w", errors.Join(err, ctx.Err()))
		}
		answered, err := awaitAnswer(socket, from, target)
		if answered || err != nil {
			return answered, errors.Join(err, ctx.Err())
		}
	}
	return false, ctx.Err()
}

// openARP opens a socket that the runtime can wait on.
func openARP(device int) (*os.File, error) {
	protocol := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ARP >> 8, unix.ETH_P_ARP & 0xff})
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(protocol))
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: device}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "probe"), nil
}

// Parts of ARP for Ethernet and IPv4 (RFC 826).
var (
	arpHead     = []byte{0, 1, 8, 0, 6, 4}
	arpAsks     = []byte{0, 1}
	arpAnswers  = []byte{0, 2}
	arpKind     = []byte{0x08, 0x06}
	toEverybody = bytes.Repeat([]byte{0xff}, 6)
)

func arpRequest(from host.MAC, target netip.Addr) []byte {
	nobody, wanted := make([]byte, 10), target.As4()
	return slices.Concat(toEverybody, from[:], arpKind, arpHead, arpAsks, from[:], nobody, wanted[:])
}

// awaitAnswer is false when the time is up.
func awaitAnswer(socket *os.File, to host.MAC, target netip.Addr) (bool, error) {
	if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	wanted := target.As4()
	head, sender := slices.Concat(arpKind, arpHead, arpAnswers), len(toEverybody)*2+len(arpKind)+len(arpHead)+len(arpAnswers)
	frame := make([]byte, 2048)
	for {
		n, err := socket.Read(frame)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		answer := frame[:n]
		if n < sender+20 || !bytes.Equal(answer[:6], to[:]) || !bytes.Equal(answer[12:sender], head) {
			continue
		}
		if bytes.Equal(answer[sender+6:sender+10], wanted[:]) {
			return true, nil
		}
	}
}
