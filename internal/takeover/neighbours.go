package takeover

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Places in the header of a neighbour: struct ndmsg.
const (
	neighbourIndex = 4
	neighbourState = 8
	neighbourFlags = 10
)

// attributeDevice is NDA_IFINDEX, by which a dump is filtered.
const attributeDevice = 8

// neighbourhood reads neighbours and makes them known elsewhere.
type neighbourhood struct{ *door }

// neighbours are those whose MAC is known, and those that the host answers for.
func (n neighbourhood) neighbours(on device) ([]message, error) {
	var out []message
	for _, family := range families {
		for _, flags := range []byte{0, unix.NTF_PROXY} {
			question := message{header: make([]byte, neighbourHeader)}
			question.header[0], question.header[neighbourFlags] = family, flags
			found, err := n.dump(unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, question.with(attributeDevice, number(uint32(on.index))))
			if err != nil {
				return nil, fmt.Errorf("list neighbours of %s: %w", on.name, err)
			}
			for _, neighbour := range found {
				if isOn(neighbour, on) && (isProxy(neighbour) || isFixed(neighbour) || stateOf(neighbour)&answered != 0) {
					out = append(out, neighbour)
				}
			}
		}
	}
	return out, nil
}

// answered are the states of a neighbour that has told its MAC.
const answered = unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE

func stateOf(neighbour message) uint16 {
	return binary.NativeEndian.Uint16(neighbour.header[neighbourState:])
}

func isOn(neighbour message, on device) bool {
	return binary.NativeEndian.Uint32(neighbour.header[neighbourIndex:]) == uint32(on.index)
}

func isProxy(neighbour message) bool { return neighbour.header[neighbourFlags]&unix.NTF_PROXY != 0 }

// isFixed tells whether somebody set the neighbour by hand.
func isFixed(neighbour message) bool { return stateOf(neighbour)&unix.NUD_PERMANENT != 0 }

// introduce makes the neighbours of one device known to another. One that is known
// from asking will be asked again in its time, and is of use until then.
func (n neighbourhood) introduce(neighbours []message, to device) error {
	for _, neighbour := range neighbours {
		out := neighbour.without(unix.NDA_CACHEINFO, unix.NDA_PROBES, unix.NDA_MASTER, attributeDevice)
		binary.NativeEndian.PutUint32(out.header[neighbourIndex:], uint32(to.index))
		flags := unix.NLM_F_CREATE | unix.NLM_F_REPLACE
		if !isProxy(neighbour) && !isFixed(neighbour) {
			binary.NativeEndian.PutUint16(out.header[neighbourState:], unix.NUD_STALE)
			flags = unix.NLM_F_CREATE | unix.NLM_F_EXCL
		}
		if err := n.send(unix.RTM_NEWNEIGH, flags, out, unix.EEXIST); err != nil {
			return fmt.Errorf("make %s's neighbour %s known: %w", to.name, ipOf(neighbour), err)
		}
	}
	return nil
}

// disown deletes the neighbours that were set by hand; the kernel forgets others.
func (n neighbourhood) disown(neighbours []message) error {
	for _, neighbour := range neighbours {
		if !isProxy(neighbour) && !isFixed(neighbour) {
			continue
		}
		if err := n.send(unix.RTM_DELNEIGH, 0, neighbour.without(unix.NDA_CACHEINFO, unix.NDA_PROBES), unix.ENOENT); err != nil {
			return fmt.Errorf("delete neighbour %s: %w", ipOf(neighbour), err)
		}
	}
	return nil
}
