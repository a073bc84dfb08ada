package loop

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

var (
	errNoCarrier   = errors.New("it is down or has no carrier")
	errNotEthernet = errors.New("it has no Ethernet address")
)

// station is a NIC in a search: a socket that sends, and that hears probes.
type station struct {
	nic host.LoopNIC
	mac host.MAC
	fd  int
}

func openStation(nic host.LoopNIC) (*station, error) {
	device, err := net.InterfaceByName(nic.Name)
	if err != nil {
		return nil, err
	}
	s := &station{nic: nic}
	if copy(s.mac[:], device.HardwareAddr) != len(s.mac) || len(device.HardwareAddr) != len(s.mac) {
		return nil, errNotEthernet
	}
	if device.Flags&net.FlagRunning == 0 {
		return nil, errNoCarrier
	}
	// With protocol 0 it hears nothing until it is bound, with its filter in place.
	s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket for probes: %w", err)
	}
	if err := s.listen(device.Index); err != nil {
		s.close()
		return nil, fmt.Errorf("listen for probes: %w", err)
	}
	return s, nil
}

func (s *station) close() { unix.Close(s.fd) }

// room is the socket's buffer. It is read at the end of a search only, and the
// probes of all other nodes arrive too.
const room = 4 << 20

func (s *station) listen(device int) error {
	program := filter()
	err := errors.Join(
		unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room),
		unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_MARK, int(s.nic.Mark)),
		unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}),
	)
	if err != nil {
		return err
	}
	for _, mac := range destinations {
		if err := s.admit(device, mac); err != nil {
			return err
		}
	}
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network order
	return unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: device})
}

// admit has the hardware let frames to an address in, as long as the socket is
// open. The kernel counts who wants that.
func (s *station) admit(device int, mac host.MAC) error {
	kind := unix.PACKET_MR_MULTICAST
	if mac.IsUnicast() {
		kind = unix.PACKET_MR_UNICAST
	}
	wanted := unix.PacketMreq{Ifindex: int32(device), Type: uint16(kind), Alen: uint16(len(mac))}
	copy(wanted.Address[:], mac[:])
	return unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &wanted)
}

// filter lets through what goes to one of the destinations. On a NIC that is busy
// it is all that a frame costs.
func filter() (program []unix.SockFilter) {
	const (
		loadWord = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		loadHalf = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		ifEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		end      = unix.BPF_RET | unix.BPF_K
	)
	for _, mac := range destinations {
		head := uint32(mac[0])<<24 | uint32(mac[1])<<16 | uint32(mac[2])<<8 | uint32(mac[3])
		program = append(program,
			unix.SockFilter{Code: loadWord, K: 0},
			unix.SockFilter{Code: ifEqual, Jf: 3, K: head},
			unix.SockFilter{Code: loadHalf, K: 4},
			unix.SockFilter{Code: ifEqual, Jf: 1, K: uint32(mac[4])<<8 | uint32(mac[5])},
			unix.SockFilter{Code: end, K: longest},
		)
	}
	return append(program, unix.SockFilter{Code: end, K: 0})
}

// longest is how much of a frame is read: more than any probe has.
const longest = 256

func (s *station) send(frame []byte) error {
	err := unix.Send(s.fd, frame, 0)
	if errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.ENXIO) {
		return errNoCarrier
	}
	return err
}

// heard empties the socket.
func (s *station) heard() (nonces []nonce) {
	frame := make([]byte, longest)
	for {
		n, _, err := unix.Recvfrom(s.fd, frame, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil: // there is no more, or the NIC went down: what came before is worth the same
			return nonces
		}
		if found, ok := readProbe(frame[:n]); ok {
			nonces = append(nonces, found)
		}
	}
}
