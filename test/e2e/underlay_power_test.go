package e2e

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

const cutNIC = "198.18.0.9" // what the host has on eth5

// cutNode is a node that loses its power, with two uplinks in separate LANs, of which
// one carries an address of the host, and two more that are a bond:
//
//	pod cut ── br-cut ─┬─ eth5 198.18.0.9 ══ west ── westhost 198.18.0.7
//	                   └─ eth6 ═════════════ east ── easthost 198.18.0.8
//	pod tie ── br-tie ─┬─ eth7 ═════════════ trunk ── trunkhost 198.18.1.7
//	                   └─ eth8 ═════════════ trunk
type cutNode struct {
	*testing.T
	node string
	pods []placed
	ears map[string]*ear // by host
	// states is what the node says of eth5 and eth6 when all is well.
	states []string
}

// beyond are the hosts that a pod reaches, by its network.
var beyond = map[string]map[string]string{
	"cut": {"westhost": westHost, "easthost": eastHost},
	"tie": {"trunkhost": trunkHost},
}

func newCutNode(t *testing.T) *cutNode {
	t.Helper()
	c := &cutNode{T: t, node: nodes(t)[1], ears: map[string]*ear{}, states: []string{"eth5 Shared Active eth6 Port Active Ready"}}
	for _, lan := range []string{"west", "east", "trunk"} {
		lab(t, "lan", "add", lan)
		t.Cleanup(func() { lab(t, "lan", "remove", lan) })
	}
	for nic, lan := range map[string]string{"eth5": "west", "eth6": "east", "eth7": "trunk", "eth8": "trunk"} {
		t.Cleanup(func() { lab(t, "nic", "remove", c.node, nic) })
		if nic == "eth5" {
			plugIn(t, lan, c.node, nic, cutNIC+"/24")
			continue
		}
		plugIn(t, lan, c.node, nic)
	}
	host(t, "flathost", 0, flatHost4+"/24", flatHost6+"/64")
	hostOn(t, "west", "westhost", 0, westHost+"/24")
	hostOn(t, "east", "easthost", 0, eastHost+"/24")
	hostOn(t, "trunk", "trunkhost", 0, trunkHost+"/24")
	for name := range beyond["cut"] {
		c.ears[name] = listenAt(t, name)
	}
	c.ears["trunkhost"] = listenAt(t, "trunkhost")
	return c
}

// nics is what the host has on them.
func (c *cutNode) nics() (state string) {
	c.Helper()
	for _, nic := range []string{"eth5", "eth6", "eth7", "eth8"} {
		state += anyIndex(ofHost(c, c.node, nic))
	}
	return state
}

// begin starts a pod of each network.
func (c *cutNode) begin() {
	c.Helper()
	for network, subnet := range map[string]string{"cut": "198.18.0", "tie": "198.18.1"} {
		apply(c, documents(vlanYAML(network, 0, network), namespaceYAML(network),
			subnetYAML(network, subnet+".0/24", network, "vlan: "+network, "gateway: "+subnet+".7", "excludeIps: ["+subnet+".1.."+subnet+".99]")))
		c.pods = append(c.pods, started(c, placed{namespace: network, name: network, node: c.node}, unprobed(podYAML(network, network, c.node, nil))))
	}
}

// cut takes the power away, at once, and gives it back. From the boot on the host has
// its network, on the NIC that is shared too, until all is as it should be again, and
// nobody hears a storm.
func (c *cutNode) cut(when string, meanwhile func(), again func(when string)) {
	c.Helper()
	began := time.Now()
	lab(c, "power", "off", c.node)
	meanwhile()
	heard := c.heard()
	lab(c, "power", "on", c.node)
	streams := map[string]*pings{
		address(c, c.node): startPings(c, machineNetns(c, "flathost"), address(c, c.node)),
		cutNIC:             startPings(c, machineNetns(c, "westhost"), cutNIC),
	}
	again(when)
	for name, stream := range streams {
		if seen := stream.end(); seen.Lost > 0 {
			c.Errorf("power cut %s: the host's %s, from its boot on: %v", when, name, seen)
		}
	}
	took, frames := time.Since(began).Round(time.Second), c.heard()-heard
	c.Logf("power cut %s: all is well %v later, and westhost has heard %d frames", when, took, frames)
	if frames > 50000 {
		c.Errorf("power cut %s: a storm: %d frames", when, frames)
	}
}

// heard is how many frames have come to westhost, answers to its own pings too.
func (c *cutNode) heard() int {
	c.Helper()
	count, err := strconv.Atoi(strings.TrimSpace(inNode(c, "westhost", "cat", "/sys/class/net/eth0/statistics/rx_packets")))
	if err != nil {
		c.Fatal(err)
	}
	return count
}

// nothing happens while the node is off.
func nothing() {}

// joinLANs cables west and east together while nobody is there to notice.
func (c *cutNode) joinLANs() {
	c.Helper()
	cable(c, "west", "east")
	c.states = []string{"eth5 Shared Active eth6 Port Standby Ready", "eth5 Shared Standby eth6 Port Active Ready"}
}

// attached waits until both networks stand, on this boot: nothing was pinned when it
// began.
func (c *cutNode) attached(when string) {
	c.Helper()
	eventually(c, 90*time.Second, when+": eth5 is shared again", func() error {
		if inNode(c, c.node, "sh", "-c", "ls /sys/fs/bpf/hawser/cut/eth5 2>/dev/null || true") == "" {
			return errors.New("it is not")
		}
		return nil
	})
	becomes(c, when, "cut."+c.node, c.states...)
	becomes(c, when, "tie."+c.node, oneCarries...)
}

// works sees that pods and hosts reach each other, each frame once, and that there is
// nothing twice.
func (c *cutNode) works(when string) {
	c.Helper()
	for _, pod := range c.pods {
		for name, address := range beyond[pod.namespace] {
			eventually(c, 2*time.Minute, fmt.Sprintf("%s: %s reaches pod %s", when, name, pod.name), func() error {
				_, err := run("", "exec", name, "--", "curl", "-sS", "--max-time", "2", "http://"+pod.ips[0]+":8080/hostname")
				return err
			})
			eventually(c, 30*time.Second, fmt.Sprintf("%s: pod %s reaches %s", when, pod.name, name), func() error {
				_, err := inPodNet(c, pod, "curl", "-sS", "--max-time", "2", "http://"+address+"/hostname")
				return err
			})
		}
	}
	c.attached(when)
	for _, pod := range c.pods {
		c.hears(when, pod)
	}
	if ends := linesWith(inNode(c, c.node, "ip", "-o", "link"), "hw", "@hw"); len(ends) != 2 {
		c.Errorf("%s: the pair of eth5 has the ends %v", when, ends)
	}
	noDuplicates(c)
}

// hears sees that each broadcast of a pod comes to each host of its network, once.
func (c *cutNode) hears(when string, pod placed) {
	c.Helper()
	for name := range beyond[pod.namespace] {
		c.ears[name].count(shout)
	}
	sent := broadcasts(c, pod)
	time.Sleep(time.Second)
	for name := range beyond[pod.namespace] {
		if _, heard, bpdus := c.ears[name].count(shout); heard != sent || bpdus > 0 {
			c.Errorf("%s: of %d broadcasts of pod %s, %s heard %d, and %d BPDUs", when, sent, pod.name, name, heard, bpdus)
		}
	}
}

// released waits until the node has let go of all NICs.
func (c *cutNode) released(string) {
	c.Helper()
	for network := range beyond {
		gone(c, network)
	}
}

// TestUnderlayPowerCuts: a node with several uplinks, and with a bond, loses its power
// while they are attached, while they work, and while they are let go. Each time the
// host has its network at once, and what was begun is brought to its end. Before the
// second boot somebody joins the LANs: one uplink stands by, and nothing goes round.
func TestUnderlayPowerCuts(t *testing.T) {
	c := newCutNode(t)
	before := ""
	eventually(t, 30*time.Second, "the NICs have their own addresses", func() error {
		if before = c.nics(); strings.Contains(before, "tentative") {
			return errors.New("one is tentative")
		}
		return nil
	})
	apply(t, documents(
		providerYAML("cut", "defaultInterfaces: [eth5, eth6]", onNode(c.node)),
		providerYAML("tie", "defaultInterfaces: [eth7, eth8]", "mode: ActiveBackup", onNode(c.node))))
	eventually(t, time.Minute, "cut."+c.node+" is approved", func() error {
		out, err := tryKubectl("get", "provider-network-node", "cut."+c.node, "-o", "jsonpath={.spec.approvedPlan}")
		if err == nil && out == "" {
			err = errors.New("not yet")
		}
		return err
	})
	c.cut("while the NICs join", nothing, c.attached)
	c.begin()
	c.works("before the second cut")
	c.cut("at work", c.joinLANs, c.works)
	awaitCondition(t, "cut", c.node, "LoopDetected", "True")
	for _, pod := range c.pods {
		kubectl(t, "-n", pod.namespace, "delete", "pod", pod.name, "--timeout=60s")
		kubectl(t, "delete", "subnet", pod.namespace, "--timeout=60s")
		kubectl(t, "delete", "vlan", pod.namespace, "--timeout=60s")
	}
	kubectl(t, "delete", "provider-network", "cut", "tie", "--wait=false")
	eventually(t, time.Minute, "cut."+c.node+" is being let go", func() error {
		out, err := tryKubectl("get", "provider-network-node", "cut."+c.node, "--ignore-not-found", "-o", "jsonpath={.metadata.name} {.metadata.deletionTimestamp}")
		if err == nil && len(strings.Fields(out)) == 1 {
			err = errors.New("not yet")
		}
		return err
	})
	c.cut("while the NICs are let go", nothing, c.released)
	after := ""
	for range 30 { // a NIC that was searched when it was set down stays promiscuous until it is up
		if after = c.nics(); after == before {
			break
		}
		time.Sleep(time.Second)
	}
	asBefore(t, c.node, before, after)
}
