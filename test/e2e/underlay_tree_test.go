package e2e

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// bridges is the group that bridges say their spanning tree to (IEEE 802.1Q, 8.6.3).
var bridges = net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, 0}

// superior is an RST BPDU of somebody who would be the root of any spanning tree
// (IEEE 802.1D-2004, 9.3.3), and by what it calls itself.
func superior(from net.HardwareAddr) (frame, name []byte) {
	name = append([]byte{0, 0}, from...)
	words := slices.Concat([]byte{0x42, 0x42, 0x03, 0, 0, 2, 2, 0x3c}, name, []byte{0, 0, 0, 0}, name, []byte{0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0, 0})
	return ethernet(bridges, from, uint16(len(words)), words), name
}

// TestUnderlayRSTP: a node with a NIC in each of two LANs takes part in their spanning
// trees, and its pod reaches both, hears nothing of that and has no say in it. When
// somebody cables the LANs together no frame goes round, one NIC stands by, and traffic
// goes on; without the cable both take part again. In the end the NICs are as they were.
func TestUnderlayRSTP(t *testing.T) {
	u := newTwoLANs(t, 1)
	node := u.nodes[0]
	before := twoNICs(t, node)
	west, east := listenAt(t, "westhost"), listenAt(t, "easthost")
	u.begin("RSTP")
	pod := listenIn(t, netnsOf(t, u.pods[0].name))
	u.apart()
	u.spoken(west, east)
	u.tied(west)
	if all, _, bpdus := pod.count(shout); all == 0 || bpdus > 0 {
		t.Errorf("of %d frames the pod heard %d BPDUs", all, bpdus)
	}
	undo(t, "two")
	twoNICsAsBefore(t, node, before)
}

// spoken sees that both LANs hear of the spanning tree, and nothing of what the pod
// says of it.
func (u *twoLANs) spoken(west, east *ear) {
	u.Helper()
	netns := netnsOf(u, u.pods[0].name)
	frame, name := superior(macOf(u, netns, "eth0"))
	west.count(name)
	east.count(name)
	emit(u, netns, frame, 3*time.Second)
	for lan, at := range map[string]*ear{"west": west, "east": east} {
		all, held, bpdus := at.count(name)
		u.Logf("LAN %s: %d frames, %d BPDUs", lan, all, bpdus)
		if bpdus == 0 || held > 0 {
			u.Errorf("in LAN %s %d BPDUs were heard, %d of them of the pod's tree", lan, bpdus, held)
		}
	}
	u.become("a pod would be the root", "eth7 Port Active eth8 Port Active")
}

// tied lays a cable between the LANs, and takes it away, with a pod and a host pinging
// each other.
func (u *twoLANs) tied(west *ear) {
	u.Helper()
	netns := netnsOf(u, u.pods[0].name)
	both := map[string]*pings{"westhost": startPings(u, netns, westHost), "easthost": startPings(u, netns, eastHost)}
	u.meet(west)
	west.count(shout)
	sent := u.broadcasts()
	if _, heard, _ := west.count(shout); heard != sent {
		u.Errorf("one LAN: of %d broadcasts %d were heard", sent, heard)
	}
	u.Log(event(u, "default", "two."+u.nodes[0], "LoopDetected"))
	for host, p := range both {
		u.Logf("cabled together: to %s %v", host, p.end())
	}
	began := time.Now()
	inNode(u, "cable", "ip", "link", "set", "cable", "down")
	u.become("without the cable", "eth7 Port Active eth8 Port Active")
	u.Logf("without the cable: both take part after %v", time.Since(began).Round(time.Second))
	u.apart()
	if out := kubectl(u, "get", "pnn", "two."+u.nodes[0], "-o", "wide"); !strings.Contains(out, "False") {
		u.Errorf("the loop has not gone:\n%s", out)
	}
}
