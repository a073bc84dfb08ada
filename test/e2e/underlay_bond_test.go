package e2e

import (
	"strings"
	"testing"
	"time"
)

const trunkHost = "198.18.1.7"

// oneCarries is what a node says of a bond of which one NIC, whichever, is a reserve.
var oneCarries = []string{"eth7 Port Active eth8 Port Standby Ready", "eth7 Port Standby eth8 Port Active Ready"}

// bonded is a node with two NICs in one LAN, which are a bond, with a pod on it, and
// a host in that LAN.
type bonded struct {
	*testing.T
	node string
	pod  placed
	host *ear
}

// TestUnderlayBond: a cable of a bond, of NICs with different MTUs, is pulled, and its
// mode changed, while pod and host answer each other. No frame goes round or comes twice, the switch hears LACP
// where that was asked for and nothing else of ours, and the NICs are left as they were.
func TestUnderlayBond(t *testing.T) {
	b := &bonded{T: t, node: nodes(t)[0]}
	lab(t, "lan", "add", "trunk")
	t.Cleanup(func() { lab(t, "lan", "remove", "trunk") })
	for _, nic := range []string{"eth7", "eth8"} {
		plugIn(t, "trunk", b.node, nic)
		t.Cleanup(func() { lab(t, "nic", "remove", b.node, nic) })
	}
	hostOn(t, "trunk", "trunkhost", 0, trunkHost+"/24")
	inNode(t, b.node, "ip", "link", "set", "eth8", "mtu", "1400")
	before := twoNICs(t, b.node)
	b.host = listenAt(t, "trunkhost")
	b.begin()

	b.pullCable()
	b.during("made BalanceSLB", func() { b.mode("BalanceSLB", "eth7 Port Active eth8 Port Active Ready") })
	b.once("BalanceSLB")
	heard := b.toSwitches(func() { b.during("made LACP", b.lacp) })
	if !strings.Contains(heard, "LACPv1") {
		t.Errorf("the node speaks no LACP: %s", heard)
	}
	b.during("made ActiveBackup", func() {
		b.mode("ActiveBackup", oneCarries...)
	})
	if heard := b.toSwitches(func() { b.once("ActiveBackup again") }); heard != "" {
		t.Errorf("a bond that needs nothing of the switch tells it %s", heard)
	}

	undo(t, "bond")
	twoNICsAsBefore(t, b.node, before)
}

// begin makes the bond, with ActiveBackup, and a pod behind it.
func (b *bonded) begin() {
	b.Helper()
	b.mode("ActiveBackup", oneCarries...)
	apply(b, documents(vlanYAML("bond", 0, "bond"), namespaceYAML("bond"),
		subnetYAML("bond", "198.18.1.0/24", "bond", "vlan: bond", "gateway: "+trunkHost, "excludeIps: [198.18.1.1..198.18.1.99]")))
	b.pod = started(b, placed{namespace: "bond", name: "bond1", node: b.node}, unprobed(podYAML("bond", "bond1", b.node, nil)))
	b.once("ActiveBackup")
	b.smallest()
}

// smallest sees that the pod sends no frame that one of the NICs cannot take, and
// those that all can.
func (b *bonded) smallest() {
	b.Helper()
	if link, err := inPodNet(b, b.pod, "ip", "-o", "link", "show", "dev", "eth0"); err != nil || !strings.Contains(link, " mtu 1400 ") {
		b.Errorf("the NICs have MTUs of 1500 and 1400, and the pod has %s (%v)", link, err)
	}
	const full = "1372" // with the headers of IPv4 and ICMP, 1400
	if out, err := inPodNet(b, b.pod, "ping", "-c", "3", "-i", "0.2", "-W", "1", "-M", "do", "-s", full, trunkHost); err != nil {
		b.Errorf("a frame of 1400 bytes does not pass: %v\n%s", err, out)
	}
}

// lacp is asked of a LAN that knows of no bond.
func (b *bonded) lacp() {
	b.Helper()
	said := b.mode("LACP", oneCarries...)
	if !strings.Contains(said, "no switch speaks LACP") {
		b.Errorf("no partner answers, and the node says %s", said)
	}
}

// toSwitches is what a node says by eth7 to the switch itself (IEEE 802.1Q, 8.6.3),
// which passes none of that on.
func (b *bonded) toSwitches(do func()) string {
	b.Helper()
	return wireOf(b, "trunk", b.node+"-eth7", "ether[0:4] = 0x0180c200 and ether[4] = 0", do)
}

// mode changes it, and waits until the node says one of these.
func (b *bonded) mode(mode string, wants ...string) (said string) {
	b.Helper()
	apply(b, providerYAML("bond", "defaultInterfaces: [eth7, eth8]", "mode: "+mode, onNode(b.node)))
	return becomes(b, mode, "bond."+b.node, wants...)
}

// pullCable takes the cable of the NIC that carries, and plugs it in again.
func (b *bonded) pullCable() {
	b.Helper()
	carries, other := "eth7", "eth8"
	if strings.HasPrefix(becomes(b, "whole", "bond."+b.node, "eth7"), "eth7 Port Standby") {
		carries, other = other, carries
	}
	state := map[string]string{carries: "Down", other: "Active"}
	b.during("cable pulled", func() {
		inNode(b, "trunk", "ip", "link", "set", b.node+"-"+carries, "down")
		becomes(b, "cable pulled", "bond."+b.node, "eth7 Port "+state["eth7"]+" eth8 Port "+state["eth8"]+" Ready")
	})
	b.once("cable pulled")
	inNode(b, "trunk", "ip", "link", "set", b.node+"-"+carries, "up")
	state[carries] = "Standby"
	becomes(b, "plugged in", "bond."+b.node, "eth7 Port "+state["eth7"]+" eth8 Port "+state["eth8"]+" Ready")
}

// during tells what pod and host lose of each other while something is done; after
// it they answer each other.
func (b *bonded) during(what string, do func()) {
	b.Helper()
	out := startPings(b, netnsOf(b, b.pod.name), trunkHost)
	in := startPings(b, machineNetns(b, "trunkhost"), b.pod.ips[0])
	time.Sleep(2 * time.Second)
	do()
	time.Sleep(2 * time.Second)
	b.Logf("%s: from the pod %v; from the host %v", what, out.end(), in.end())
	b.answers(what)
}

func (b *bonded) answers(when string) {
	b.Helper()
	eventually(b, 30*time.Second, when+": the pod reaches the host", func() error {
		_, err := inPodNet(b, b.pod, "curl", "-sS", "--max-time", "2", "http://"+trunkHost+"/hostname")
		return err
	})
}

// once sees that pod and host answer each other, and that each broadcast comes once.
func (b *bonded) once(when string) {
	b.Helper()
	b.answers(when)
	b.host.count(shout)
	sent := broadcasts(b, b.pod)
	time.Sleep(time.Second)
	if _, heard, bpdus := b.host.count(shout); heard != sent || bpdus > 0 {
		b.Errorf("%s: of %d broadcasts %d were heard, and %d BPDUs", when, sent, heard, bpdus)
	}
}
