package discovery

import (
	"net/netip"
	"testing"

	"hawser/internal/host"
)

var (
	asker = host.MAC{2, 0, 0, 0, 0, 9}
	all   = host.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

func TestAnnouncementsAreRead(t *testing.T) {
	for address, to := range map[string]host.MAC{"192.0.2.9": all, "fd00:2::9": {0x33, 0x33, 0, 0, 0, 1}} {
		said, ok := Read(Announcement(asker, netip.MustParseAddr(address)))
		if !ok || said.Address.String() != address || said.MAC != asker || said.To != to {
			t.Errorf("%s: %+v, %v", address, said, ok)
		}
	}
}

// TestQuestionsAreNoReplies, but one who is about to take an address says so.
func TestQuestionsAreNoReplies(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("fd00:2::9")
	if said, ok := Read(Question(asker, netip.IPv4Unspecified(), four)); !ok || said.Reply || !said.Address.IsUnspecified() {
		t.Errorf("%+v, %v", said, ok)
	}
	if said, ok := Read(Question(asker, four, four)); !ok || said.Reply || said.Address != four {
		t.Errorf("%+v, %v", said, ok)
	}
	if said, ok := Read(Question(asker, netip.IPv6Unspecified(), six)); !ok || said.Reply || said.Address != six || said.To != (host.MAC{0x33, 0x33, 0xff, 0, 0, 9}) {
		t.Errorf("%+v, %v", said, ok)
	}
	if said, ok := Read(Question(asker, asker.LinkLocal(), six)); ok {
		t.Errorf("%+v", said)
	}
}

func TestOtherFramesAreNotRead(t *testing.T) {
	frame := func(kind ...byte) []byte { return append(make([]byte, 12), kind...) }
	for _, other := range [][]byte{nil, make([]byte, 14), frame(8, 6, 0), frame(0x86, 0xdd, 0), append(frame(8, 0), make([]byte, 60)...)} {
		if _, ok := Read(other); ok {
			t.Errorf("read %v", other)
		}
	}
}
