package vrrp

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// router is a virtual router: its addresses' family, and its VRID.
type router struct {
	family uint16 // EtherType
	id     byte
}

// advert is an advertisement (RFC 3768, 5.1; RFC 5798, 5.2).
type advert struct {
	router   router
	priority byte
	interval time.Duration // until the next one
	frame    []byte        // all of it
}

// Where things are in a frame, from its first byte.
const (
	etherType      = 12
	ethernetHeader = 14
	ipv4Protocol   = ethernetHeader + 9
	ipv6NextHeader = ethernetHeader + 6
	ipv4Header     = 20 // without options
	ipv6Header     = 40
)

const (
	protocol      = 112 // of IP (RFC 5798, 5.1.1.4)
	advertisement = 1   // the one type of message there is
	shortest      = 8   // bytes of a message without an address
)

// read is not ok of a frame that is no advertisement.
func read(frame []byte) (a advert, ok bool) {
	if len(frame) < ethernetHeader+ipv4Header {
		return advert{}, false
	}
	family, message := binary.BigEndian.Uint16(frame[etherType:]), []byte(nil)
	switch {
	case family == unix.ETH_P_IP && frame[ipv4Protocol] == protocol:
		header := int(frame[ethernetHeader]&0xf) * 4
		message = frame[min(ethernetHeader+header, len(frame)):]
	case family == unix.ETH_P_IPV6 && frame[ipv6NextHeader] == protocol:
		message = frame[min(ethernetHeader+ipv6Header, len(frame)):]
	}
	if len(message) < shortest || message[0]&0xf != advertisement {
		return advert{}, false
	}
	a = advert{router: router{family, message[1]}, priority: message[2], frame: frame}
	switch message[0] >> 4 {
	case 2:
		a.interval = time.Duration(message[5]) * time.Second
	case 3:
		a.interval = time.Duration(binary.BigEndian.Uint16(message[4:])&0xfff) * 10 * time.Millisecond
	}
	return a, a.interval > 0
}
