package takeover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Lengths of the headers of messages, in bytes (rtnetlink(7)).
const (
	addressHeader   = unix.SizeofIfAddrmsg
	routeHeader     = unix.SizeofRtMsg
	ruleHeader      = 12 // struct fib_rule_hdr
	neighbourHeader = 12 // struct ndmsg
)

var errBroken = errors.New("the kernel's message ends too early")

// message is one of rtnetlink(7) as the kernel gave it, to be given back with
// little changed. All of it stays, also what this program does not know.
type message struct {
	header     []byte
	attributes []attribute
}

type attribute struct {
	kind  uint16
	value []byte
}

// parse reads a message whose header has a length that is a multiple of four.
func parse(raw []byte, header int) (message, error) {
	if len(raw) < header {
		return message{}, errBroken
	}
	attributes, err := parseAttributes(raw[header:])
	return message{header: slices.Clone(raw[:header]), attributes: attributes}, err
}

func parseAttributes(raw []byte) (out []attribute, err error) {
	for len(raw) >= unix.SizeofRtAttr {
		length := int(binary.NativeEndian.Uint16(raw))
		if length < unix.SizeofRtAttr || length > len(raw) {
			return nil, errBroken
		}
		out = append(out, attribute{kind: binary.NativeEndian.Uint16(raw[2:]), value: slices.Clone(raw[unix.SizeofRtAttr:length])})
		raw = raw[min(aligned(length), len(raw)):]
	}
	return out, nil
}

func aligned(length int) int { return (length + 3) &^ 3 }

// bytes is what parse reads.
func (m message) bytes() []byte { return appendAttributes(slices.Clone(m.header), m.attributes) }

func appendAttributes(out []byte, attributes []attribute) []byte {
	for _, a := range attributes {
		out = binary.NativeEndian.AppendUint16(out, uint16(unix.SizeofRtAttr+len(a.value)))
		out = binary.NativeEndian.AppendUint16(out, a.kind)
		out = append(out, a.value...)
		out = append(out, make([]byte, aligned(len(a.value))-len(a.value))...)
	}
	return out
}

// get gives an attribute's value, nil if it is not there.
func (m message) get(kind uint16) []byte {
	i := slices.IndexFunc(m.attributes, func(a attribute) bool { return a.kind&^unix.NLA_F_NESTED == kind })
	if i < 0 {
		return nil
	}
	return m.attributes[i].value
}

// number is an attribute of 32 bits, 0 if it is not there.
func (m message) number(kind uint16) uint32 {
	value := m.get(kind)
	if len(value) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(value)
}

// text is an attribute that is a string.
func (m message) text(kind uint16) string { return unix.ByteSliceToString(m.get(kind)) }

// with is the message with an attribute set.
func (m message) with(kind uint16, value []byte) message {
	out := m.without(kind)
	out.attributes = append(out.attributes, attribute{kind: kind, value: value})
	return out
}

// without is the message without some attributes; it shares nothing with the old.
func (m message) without(kinds ...uint16) message {
	out := message{header: slices.Clone(m.header)}
	for _, a := range m.attributes {
		if !slices.Contains(kinds, a.kind&^unix.NLA_F_NESTED) {
			out.attributes = append(out.attributes, a)
		}
	}
	return out
}

// family is that of addresses; every header begins with it.
func (m message) family() int { return int(m.header[0]) }

func number(value uint32) []byte { return binary.NativeEndian.AppendUint32(nil, value) }

func text(value string) []byte { return append([]byte(value), 0) }

// pack and unpack are the form of messages in the journal.
func pack(messages []message) (out [][]byte) {
	for _, m := range messages {
		out = append(out, m.bytes())
	}
	return out
}

func unpack(packed [][]byte, header int) (out []message, err error) {
	for _, raw := range packed {
		m, err := parse(raw, header)
		if err != nil {
			return nil, fmt.Errorf("read what the journal noted of the NIC: %w", err)
		}
		out = append(out, m)
	}
	return out, nil
}
