package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// twoLANs is some nodes with a NIC in each of two LANs, both in one provider
// network, a pod on each node, and a host in each LAN:
//
//	pods ── br-two ─┬─ eth7 ══ west ── westhost 198.18.0.7
//	                └─ eth8 ══ east ── easthost 198.18.0.8
type twoLANs struct {
	*testing.T
	nodes []string
	pods  []placed
}

const (
	westHost = "198.18.0.7"
	eastHost = "198.18.0.8"
)

func newTwoLANs(t *testing.T, count int) *twoLANs {
	t.Helper()
	u := &twoLANs{T: t, nodes: nodes(t)[:count]}
	for lan, nic := range map[string]string{"west": "eth7", "east": "eth8"} {
		lab(t, "lan", "add", lan)
		t.Cleanup(func() { lab(t, "lan", "remove", lan) })
		for _, node := range u.nodes {
			plugIn(t, lan, node, nic)
			t.Cleanup(func() { lab(t, "nic", "remove", node, nic) })
		}
	}
	hostOn(t, "west", "westhost", 0, westHost+"/24")
	hostOn(t, "east", "easthost", 0, eastHost+"/24")
	return u
}

// begin makes the provider network and its pods.
func (u *twoLANs) begin(protection string) {
	u.Helper()
	apply(u, providerYAML("two", "defaultInterfaces: [eth7, eth8]", "loopProtection: "+protection, "rollout: {maxUnavailable: 100%}",
		"nodeSelector: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: ["+strings.Join(u.nodes, ", ")+"]}]}"))
	apply(u, documents(vlanYAML("two", 0, "two"), namespaceYAML("two"),
		subnetYAML("two", "198.18.0.0/24", "two", "vlan: two", "gateway: "+westHost, "excludeIps: [198.18.0.1..198.18.0.99]")))
	u.become("two LANs", "eth7 Port Active eth8 Port Active")
	for i, node := range u.nodes {
		name := fmt.Sprintf("two%d", i+1)
		u.pods = append(u.pods, started(u, placed{namespace: "two", name: name, node: node}, unprobed(podYAML("two", name, node, nil))))
	}
}

// become waits until all nodes, or the one that is named, say this of their NICs.
func (u *twoLANs) become(when, want string, only ...string) {
	u.Helper()
	names := u.nodes
	if len(only) > 0 {
		names = only
	}
	for _, node := range names {
		becomes(u, when, "two."+node, want+" Ready")
	}
}

// becomes waits until what a part says of its NICs, its phase and why begins with one
// of some texts, and gives all of it.
func becomes(t testing.TB, when, part string, wants ...string) (said string) {
	t.Helper()
	eventually(t, 90*time.Second, fmt.Sprintf("%s: %s has %s", when, part, strings.Join(wants, " or ")), func() (err error) {
		said, err = tryKubectl("get", "provider-network-node", part, "-o",
			`jsonpath={range .status.interfaces[*]}{.name} {.attachment} {.state} {end}{.status.phase} {.status.message}`)
		if err == nil && !slices.ContainsFunc(wants, func(want string) bool { return strings.HasPrefix(said, want) }) {
			err = fmt.Errorf("it has %s", said)
		}
		return err
	})
	return said
}

// undo deletes a provider network with the namespace's pods, the subnet and the Vlan of
// its name.
func undo(t testing.TB, name string) {
	t.Helper()
	kubectl(t, "-n", name, "delete", "pod", "--all", "--timeout=60s")
	for _, kind := range []string{"subnet", "vlan", "provider-network"} {
		kubectl(t, "delete", kind, name, "--timeout=90s")
	}
	gone(t, name)
}

// twoNICs is what a node's host has on eth7 and eth8, once their own addresses have
// settled.
func twoNICs(t testing.TB, node string) (state string) {
	t.Helper()
	eventually(t, 30*time.Second, "the NICs of "+node+" have their own addresses", func() error {
		if state = ofHost(t, node, "eth7") + ofHost(t, node, "eth8"); strings.Contains(state, "tentative") {
			return errors.New("one is tentative")
		}
		return nil
	})
	return state
}

// twoNICsAsBefore compares with that, within a while: a NIC that was searched when it
// was set down stays promiscuous until it is up.
func twoNICsAsBefore(t testing.TB, node, before string) {
	t.Helper()
	after := twoNICs(t, node)
	for range 30 {
		if after == before {
			break
		}
		time.Sleep(time.Second)
		after = twoNICs(t, node)
	}
	asBefore(t, node, before, after)
}

// reaches sees that every pod, or that of one node, and both hosts answer each other.
func (u *twoLANs) reaches(when string, pods ...placed) {
	u.Helper()
	for _, pod := range pods {
		for name, address := range map[string]string{"westhost": westHost, "easthost": eastHost} {
			eventually(u, 30*time.Second, fmt.Sprintf("%s: %s and %s reach each other", when, pod.name, name), func() error {
				_, there := inPodNet(u, pod, "curl", "-sS", "--max-time", "2", "http://"+address+"/hostname")
				_, back := run("", "exec", name, "--", "curl", "-sS", "--max-time", "2", "http://"+pod.ips[0]+":8080/hostname")
				return errors.Join(there, back)
			})
		}
	}
}

// sent is how many frames have left a node by a NIC.
func (u *twoLANs) sent(node, nic string) int {
	u.Helper()
	count, err := strconv.Atoi(strings.TrimSpace(inNode(u, node, "cat", "/sys/class/net/"+nic+"/statistics/tx_packets")))
	if err != nil {
		u.Fatal(err)
	}
	return count
}

// ear hears all frames at a machine's eth0.
type ear struct{ socket int }

func listenAt(t testing.TB, machine string) *ear {
	t.Helper()
	return listenIn(t, machineNetns(t, machine))
}

// listenIn hears all frames at eth0 of a network namespace.
func listenIn(t testing.TB, netns string) *ear {
	t.Helper()
	e := &ear{}
	err := within(netns, func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		const all = unix.ETH_P_ALL << 8 // in network order
		e.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		return errors.Join(
			unix.SetsockoptInt(e.socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
			unix.SetsockoptInt(e.socket, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.Bind(e.socket, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(e.socket) })
	return e
}

// count takes what was heard since the last time: all frames, those that hold some
// bytes, and those that bridges say to each other (BPDUs, IEEE 802.1Q, 8.6.3).
func (e *ear) count(words []byte) (all, held, bpdus int) {
	frame := make([]byte, 65536)
	for {
		n, _, err := unix.Recvfrom(e.socket, frame, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return all, held, bpdus
		}
		all++
		if bytes.Contains(frame[:n], words) {
			held++
		}
		if bytes.HasPrefix(frame[:n], []byte{0x01, 0x80, 0xc2, 0, 0}) && frame[5] < 0x10 {
			bpdus++
		}
	}
}

var shout = []byte("a broadcast of a test of uplinks")

// broadcasts has every pod send broadcasts for a second, and counts them.
func (u *twoLANs) broadcasts() (sent int) {
	u.Helper()
	for _, pod := range u.pods {
		sent += broadcasts(u, pod)
	}
	time.Sleep(time.Second)
	return sent
}

// broadcasts has a pod send broadcasts for a second.
func broadcasts(t testing.TB, pod placed) (sent int) {
	t.Helper()
	netns := netnsOf(t, pod.name)
	return emit(t, netns, ethernet(broadcast, macOf(t, netns, "eth0"), 0x88b6, shout), time.Second)
}

// TestUnderlayTwoLANs: nodes with a NIC in each of two LANs reach the hosts of both,
// each over its own NICs, and never join the LANs. When somebody else does, no frame
// goes round, one NIC of each node stands by, and traffic goes on.
func TestUnderlayTwoLANs(t *testing.T) {
	u := newTwoLANs(t, 3)
	before := map[string]string{}
	for _, node := range u.nodes {
		before[node] = twoNICs(t, node)
	}
	west, east := listenAt(t, "westhost"), listenAt(t, "easthost")
	u.begin("Isolate")
	u.separate(west, east)
	u.join(west)
	u.unplug()
	undo(t, "two")
	for _, node := range u.nodes {
		twoNICsAsBefore(t, node, before[node])
	}
	for name, at := range map[string]*ear{"west": west, "east": east} {
		if _, _, bpdus := at.count(shout); bpdus > 0 {
			t.Errorf("%d BPDUs were heard in LAN %s", bpdus, name)
		}
	}
}

// separate is the LANs as they are meant to be.
func (u *twoLANs) separate(west, east *ear) {
	u.Helper()
	u.apart()
	const pings = 50
	for i, pod := range u.pods {
		counts := map[string]int{}
		for _, node := range u.nodes {
			counts[node] = u.sent(node, "eth8")
		}
		if out, err := inPodNet(u, pod, "ping", "-c", strconv.Itoa(pings), "-i", "0.01", "-q", eastHost); err != nil {
			u.Errorf("pings to easthost: %s %v", out, err)
		}
		for j, node := range u.nodes {
			own := u.sent(node, "eth8") - counts[node]
			if own >= pings != (i == j) {
				u.Errorf("of %d pings of the pod on %s, %d frames left by eth8 of %s", pings, pod.node, own, node)
			}
		}
	}
	west.count(shout)
	east.count(shout)
	sent := u.broadcasts()
	for name, at := range map[string]*ear{"west": west, "east": east} {
		all, heard, bpdus := at.count(shout)
		u.Logf("two LANs: of %d broadcasts of pods, %d in LAN %s, of %d frames", sent, heard, name, all)
		if heard != sent || bpdus > 0 {
			u.Errorf("in LAN %s %d broadcasts of %d were heard, and %d BPDUs", name, heard, sent, bpdus)
		}
	}
}

// apart sees that all pods reach both hosts, and the hosts not each other.
func (u *twoLANs) apart() {
	u.Helper()
	u.reaches("two LANs", u.pods...)
	if out, err := run("", "exec", "westhost", "--", "ping", "-c", "5", "-i", "0.2", "-W", "1", eastHost); err == nil {
		u.Errorf("the LANs are joined: %s", out)
	}
}

// join cables the LANs together.
func (u *twoLANs) join(west *ear) {
	u.Helper()
	u.meet(west)
	u.Log(event(u, "default", "two."+u.nodes[0], "eth7 and eth8"))
	u.Log(kubectl(u, "get", "pnn"))
	west.count(shout)
	sent := u.broadcasts()
	if _, heard, bpdus := west.count(shout); heard != sent || bpdus > 0 {
		u.Errorf("one LAN: of %d broadcasts %d were heard, and %d BPDUs", sent, heard, bpdus)
	}
}

// meet has a cable join the LANs: one NIC of each node stands by soon, without a storm
// until then, and traffic goes on.
func (u *twoLANs) meet(west *ear) {
	u.Helper()
	west.count(shout)
	began := time.Now()
	cable(u, "west", "east")
	sent := u.broadcasts() // at first with nobody standing by
	u.become("one LAN", "eth7 Port Active eth8 Port Standby")
	took := time.Since(began)
	all, heard, _ := west.count(shout)
	u.Logf("joined: one of each stands by after %v; until then of %d broadcasts, %d were heard, of %d frames", took.Round(time.Second), sent, heard, all)
	if heard > 2*sent || all > 20000 {
		u.Errorf("a storm: of %d broadcasts %d were heard, of %d frames", sent, heard, all)
	}
	u.reaches("one LAN", u.pods...)
}

// cable joins two LANs until the test ends.
func cable(t testing.TB, one, other string) {
	t.Helper()
	lab(t, "router", "add", "cable", "--lan", one, "--lan", other)
	t.Cleanup(func() { lab(t, "router", "remove", "cable") })
	inNode(t, "cable", "sh", "-ec", "ip link add cable type bridge; for port in eth0 eth1; do ip link set $port master cable up; done; ip link set cable up")
}

// unplug takes the cable of the NIC that takes part out of one node.
func (u *twoLANs) unplug() {
	u.Helper()
	node := u.nodes[0]
	inNode(u, "west", "ip", "link", "set", node+"-eth7", "down")
	u.become("eth7 has no carrier", "eth7 Port Down eth8 Port Active", node)
	u.reaches("eth7 has no carrier", u.pods[0])
	inNode(u, "west", "ip", "link", "set", node+"-eth7", "up")
	u.become("eth7 has carrier again", "eth7 Port Standby eth8 Port Active", node)
	u.reaches("eth7 has carrier again", u.pods...)
}
