package takeover

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hawser/internal/discovery"
	"hawser/internal/host"
)

// announce tells all switches and neighbours where addresses are now.
func (e estate) announce(addresses []message, from device) error {
	if len(addresses) == 0 {
		return nil
	}
	link, err := e.handle.LinkByIndex(from.index)
	if err != nil {
		return fmt.Errorf("find %s: %w", from.name, err)
	}
	var mac host.MAC
	copy(mac[:], link.Attrs().HardwareAddr)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a packet socket: %w", err)
	}
	defer unix.Close(fd)
	for _, address := range addresses {
		frame := discovery.Announcement(mac, prefixOf(address).Addr())
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: from.index}); err != nil {
			return fmt.Errorf("announce %s from %s: %w", prefixOf(address), from.name, err)
		}
	}
	return nil
}
