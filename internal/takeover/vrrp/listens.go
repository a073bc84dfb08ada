package vrrp

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// groups are the multicast groups of VRRP (RFC 5798, 1.2), as files of /proc/net write
// them.
var groups = map[string]string{
	"/proc/thread-self/net/igmp":  fmt.Sprintf("%08X", binary.NativeEndian.Uint32([]byte{224, 0, 0, 18})),
	"/proc/thread-self/net/igmp6": "ff020000000000000000000000000012",
}

// Listens tells whether a VRRP daemon of this network namespace has a device as its
// interface, be it master or backup. One whose peers are named in its configuration
// (unicast_peer) is not seen.
func Listens(device int) (bool, error) {
	for file, group := range groups {
		text, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) { // a kernel without the family
			return false, fmt.Errorf("look for VRRP daemons: %w", err)
		}
		if member(string(text), device, group) {
			return true, nil
		}
	}
	return false, nil
}

// member reads such a file. Lines of groups have the device's index in front of them,
// in IPv6's, or follow its line.
func member(text string, device int, group string) bool {
	index := ""
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 0 && line[0] != '\t' {
			index = fields[0]
		}
		for _, field := range fields {
			if field == group && index == strconv.Itoa(device) {
				return true
			}
		}
	}
	return false
}
