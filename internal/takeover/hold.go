package takeover

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// loopback is lo, which every namespace has under this number.
var loopback = device{index: 1, name: "lo"}

// hold puts a device's addresses on lo, each as a single host's and marked as ours.
func (a addressing) hold(of device) error {
	addresses, err := a.global(of)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		held := address.without(unix.IFA_LABEL, unix.IFA_BROADCAST, attributeProtocol)
		held = flagged(held.with(attributeProtocol, []byte{host.RouteProtocol}), unix.IFA_F_NOPREFIXROUTE)
		held.header[addressBits] = byte(prefixOf(address).Addr().BitLen())
		binary.NativeEndian.PutUint32(held.header[addressIndex:], uint32(loopback.index))
		if err := a.give(held); err != nil {
			return fmt.Errorf("on lo: %w", err)
		}
	}
	return nil
}

// release takes from lo what hold put there.
func (a addressing) release() error {
	addresses, err := a.addresses(loopback)
	if err != nil {
		return err
	}
	return a.take(slices.DeleteFunc(addresses, func(a message) bool {
		by := a.get(attributeProtocol)
		return len(by) == 0 || by[0] != host.RouteProtocol
	}))
}
