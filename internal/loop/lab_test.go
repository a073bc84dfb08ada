package loop

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"hawser/internal/host"
	"hawser/test/lantest"
	"hawser/test/netnstest"
)

// lab is a node, the test's own namespace, with two NICs on two LANs:
//
//	node ── nic1 ══ a ── bystander
//	     └─ nic2 ══ b ── bystander
type lab struct {
	t    *testing.T
	a, b *lantest.LAN
	port string // where nic2 is plugged into b
}

func newLab(t *testing.T) *lab {
	t.Helper()
	netnstest.Enter(t)
	l := &lab{t: t, a: lantest.New(t), b: lantest.New(t)}
	l.a.Plug(nil, "nic1")
	l.port = l.b.Plug(nil, "nic2")
	carried(t, "nic1", "nic2")
	return l
}

// carried waits until NICs have a carrier, which the kernel says a while after it is so.
func carried(t *testing.T, nics ...string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(nics) > 0; time.Sleep(time.Millisecond) {
		nic, err := net.InterfaceByName(nics[0])
		switch {
		case err != nil:
			t.Fatal(err)
		case nic.Flags&net.FlagRunning != 0:
			nics = nics[1:]
		case time.Now().After(deadline):
			t.Fatalf("%s has no carrier after ten seconds", nics[0])
		}
	}
}

func (l *lab) search(nics ...host.LoopNIC) host.LoopFindings {
	l.t.Helper()
	found, err := Search(l.t.Context(), nics)
	if err != nil {
		l.t.Fatal(err)
	}
	return found
}

func untagged(names ...string) (nics []host.LoopNIC) {
	for _, name := range names {
		nics = append(nics, host.LoopNIC{Name: name, VLANs: []int{0}})
	}
	return nics
}

// want searches and compares the meetings, as text.
func (l *lab) want(what, meetings string, nics ...host.LoopNIC) {
	l.t.Helper()
	if got := textOf(l.search(nics...)); got != meetings {
		l.t.Errorf("%s: found %q instead of %q", what, got, meetings)
	}
}

func textOf(found host.LoopFindings) string {
	var out []string
	for _, m := range found.Meetings {
		out = append(out, fmt.Sprintf("%s+%s@%d", m.NICs[0], m.NICs[1], m.VLAN))
	}
	for name, why := range found.Mute {
		out = append(out, name+" is mute: "+why)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// probeOf tells the probes of a NIC, or of any.
func probeOf(nic string) func([]byte) bool {
	return func(frame []byte) bool {
		_, ok := readProbe(frame)
		return ok && bytes.HasSuffix(frame, []byte(nic))
	}
}
