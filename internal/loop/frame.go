package loop

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// destinations of a probe: see the package comment.
var destinations = []host.MAC{
	{0x00, 0xe0, 0x2b, 0x00, 0x00, 0x06},
	{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xc0},
}

// opening is the EtherType of a probe and the text that it begins with.
var opening = append([]byte{0x88, 0xb5}, "hawser loop probe "...)

// nonce tells a probe from all others.
type nonce [16]byte

func newNonce() (n nonce) {
	_, _ = rand.Read(n[:]) // it never fails
	return n
}

// probeFrame is tagged unless the VLAN is 0.
func probeFrame(to, from host.MAC, vlan int, n nonce, nic string) []byte {
	frame := slices.Concat(to[:], from[:])
	if vlan != 0 {
		frame = binary.BigEndian.AppendUint16(frame, unix.ETH_P_8021Q)
		frame = binary.BigEndian.AppendUint16(frame, uint16(vlan))
	}
	return slices.Concat(frame, opening, n[:], []byte(nic))
}

// readProbe finds the nonce behind as many tags as there are: a switch may have
// taken some off or put some on.
func readProbe(frame []byte) (n nonce, ok bool) {
	_, rest, found := bytes.Cut(frame, opening)
	return n, found && copy(n[:], rest) == len(n)
}
