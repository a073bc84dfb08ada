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

// held are the addresses that hold put on lo.
func (a addressing) held() ([]message, error) {
	addresses, err := a.addresses(loopback)
	return slices.DeleteFunc(addresses, func(a message) bool {
		by := a.get(attributeProtocol)
		return len(by) == 0 || by[0] != host.RouteProtocol
	}), err
}

// repeat has the kernel tell of a device's addresses once more. A VRRP daemon
// (Keepalived 2.3) knows those only that it was told of since the device had its name,
// and has no other reason to try again.
func (a addressing) repeat(on device) error {
	addresses, err := a.global(on)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		again := flagged(address, flagsOf(address)&givenFlags)
		if err := a.send(unix.RTM_NEWADDR, unix.NLM_F_REPLACE, again, unix.ENOENT); err != nil {
			return fmt.Errorf("set address %s of %s again: %w", prefixOf(address), on.name, err)
		}
	}
	return nil
}
