package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestUnderlayMembers: nodeSelector says who takes part, customInterfaces by
// which NIC, and both may change; a second network that wants a NIC of the first
// says so, touches nothing, and has it when the first is gone.
func TestUnderlayMembers(t *testing.T) {
	before := ofHosts(t)
	custom, plain, late := nodes(t)[0], nodes(t)[1], nodes(t)[2]
	sideLAN(t, "side", custom, "eth8")
	rack := func(label string, nodes ...string) {
		kubectl(t, slices.Concat([]string{"label", "node"}, nodes, []string{label})...)
	}
	t.Cleanup(func() { rack("rack-", "--all") })
	rack("rack=a", custom, plain)

	// excludeNodes has no effect beside nodeSelector: the contract says so.
	some := providerYAML("some", "defaultInterface: eth0", "nodeSelector: {matchLabels: {rack: a}}", "excludeNodes: ["+plain+"]",
		"customInterfaces: [{interface: eth8, nodes: ["+custom+"]}]")
	apply(t, some)
	awaitMembers(t, "some", custom+" Ready Port eth8", plain+" Ready Shared eth0")
	awaitLabel(t, custom, "some", "interface", "eth8")
	awaitLabel(t, late, "some", "exclude", "true")
	rack("rack=a", late)
	rack("rack-", plain)
	awaitMembers(t, "some", custom+" Ready Port eth8", late+" Ready Shared eth0")
	asBefore(t, plain, before[plain], ofHost(t, plain, "eth0"))

	rival := providerYAML("rival", "defaultInterface: eth0", onNode(late))
	apply(t, rival)
	t.Log(event(t, "default", "rival", "eth0 of node "+late+" is in provider network some"))
	awaitMembers(t, "rival")
	awaitMembers(t, "some", custom+" Ready Port eth8", late+" Ready Shared eth0")
	remove(t, some)
	awaitMembers(t, "rival", late+" Ready Shared eth0")
	remove(t, rival)
	untouched(t, before)
}

// awaitMembers waits until a provider network has these parts and no others,
// each as "node phase attachment NICs", in the order of the nodes.
func awaitMembers(t testing.TB, provider string, want ...string) {
	t.Helper()
	eventually(t, 90*time.Second, fmt.Sprintf("%s has the parts %v", provider, want), func() error {
		out, err := tryKubectl("get", "provider-network-node", "-l", "ovn.kubernetes.io/provider-network="+provider,
			"-o", `jsonpath={range .items[*]}{.spec.node} {.status.phase} {.status.attachment} {.spec.interfaces[*]}{"\n"}{end}`)
		if have := strings.FieldsFunc(out, func(r rune) bool { return r == '\n' }); err == nil && !slices.Equal(have, want) {
			err = fmt.Errorf("it has %v", have)
		}
		return err
	})
}

// awaitLabel waits for one of the contract's labels about a provider network.
func awaitLabel(t testing.TB, node, provider, word, value string) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("label %s of %s about %s is %s", word, node, provider, value), func() error {
		out, err := tryKubectl("get", "node", node, "-o", fmt.Sprintf(`jsonpath={.metadata.labels.%s\.provider-network\.kubernetes\.io/%s}`, provider, word))
		if err == nil && out != value {
			err = fmt.Errorf("it is %q", out)
		}
		return err
	})
}

// sideLAN makes a LAN beside that of the nodes until the test ends, and plugs a
// NIC of one node into it.
func sideLAN(t testing.TB, lan, node, nic string, addresses ...string) {
	t.Helper()
	lab(t, "lan", "add", lan)
	t.Cleanup(func() { lab(t, "lan", "remove", lan) })
	t.Cleanup(func() { lab(t, "nic", "remove", node, nic) })
	plugIn(t, lan, node, nic, addresses...)
}

const sideHost, sideNode = "198.18.0.9", "198.18.0.1"

// TestUnderlayNIC does to a shared NIC what happens to NICs: another MTU,
// another name, unplugged and plugged in again. Host and pod lose nothing where
// they keep their NIC, and have their network back by themselves where not; in
// the end the host is as it was.
func TestUnderlayNIC(t *testing.T) {
	node := nodes(t)[0]
	sideLAN(t, "side", node, "eth8", sideNode+"/24")
	hostOn(t, "side", "sidehost", 0, sideHost+"/24")
	eventually(t, 30*time.Second, "the NIC has its own IPv6 address for good", func() error {
		if inNode(t, node, "ip", "-6", "-o", "address", "show", "dev", "eth8", "-tentative") == "" {
			return errors.New("it is tentative")
		}
		return nil
	})
	before := anyIndex(ofHost(t, node, "eth8"))
	side := providerYAML("side", "defaultInterface: eth8", onNode(node))
	pods := documents(vlanYAML("side", 0, "side"), namespaceYAML("side"),
		subnetYAML("side", "198.18.0.0/24", "side", "vlan: side", "gateway: "+sideHost, "excludeIps: [198.18.0.1..198.18.0.99]"))
	apply(t, side)
	apply(t, pods)
	if part := awaitPhase(t, "side", node, "Ready", ""); part.Attachment != "Shared" {
		t.Errorf("a NIC with an address is attached as %s, want Shared", part.Attachment)
	}
	pod := startPod(t, "side", "side", node)

	t.Run("it keeps what it has", func(t *testing.T) { changedNIC(t, node, pod) })
	t.Run("unplugged and plugged in again", func(t *testing.T) {
		lab(t, "nic", "remove", node, "eth8")
		awaitPhase(t, "side", node, "Pending", "InterfaceNotFound")
		plugIn(t, "side", node, "eth8", sideNode+"/24")
		if part := awaitPhase(t, "side", node, "Ready", ""); part.Attachment != "Shared" {
			t.Errorf("it comes back as %s, want Shared", part.Attachment)
		}
		reachesSide(t, pod)
	})
	t.Run("renamed for good", func(t *testing.T) {
		rename(t, node, "eth8", "east0")
		if err := tryApply(strings.Replace(side, "eth8", "east0", 1)); err != nil {
			t.Fatal(err)
		}
		awaitMembers(t, "side", node+" Ready Shared east0")
		reachesSide(t, pod)
	})
	kubectl(t, "-n", "side", "delete", "pod", "side", "--timeout=60s")
	remove(t, pods)
	remove(t, side)
	rename(t, node, "east0", "eth8")
	asBefore(t, node, before, anyIndex(ofHost(t, node, "eth8")))
}

// changedNIC changes what a NIC may be changed in while it works.
func changedNIC(t *testing.T, node string, pod placed) {
	streams := map[string]*pings{
		"host → world": startPings(t, machineNetns(t, node), sideHost),
		"world → host": startPings(t, machineNetns(t, "sidehost"), sideNode),
		"pod → world":  startPings(t, netnsOf(t, pod.name), sideHost),
		"world → pod":  startPings(t, machineNetns(t, "sidehost"), pod.ips[0]),
	}
	time.Sleep(3 * time.Second)
	for _, mtu := range []string{"1400", "1500"} {
		inNode(t, node, "ip", "link", "set", "eth8", "mtu", mtu)
		eventually(t, 30*time.Second, "the pair has MTU "+mtu, func() error {
			if ends := linesWith(inNode(t, node, "ip", "-o", "link"), "hw", "@hw", "mtu "+mtu+" "); len(ends) != 2 {
				return fmt.Errorf("only %v", ends)
			}
			return nil
		})
	}
	rename(t, node, "eth8", "east0")
	missed := awaitPhase(t, "side", node, "Pending", "InterfaceNotFound")
	t.Logf("%s; %s", missed.Message, event(t, "default", "side."+node, "eth8 is not on this node"))
	time.Sleep(3 * time.Second)
	rename(t, node, "east0", "eth8")
	awaitPhase(t, "side", node, "Ready", "")
	time.Sleep(5 * time.Second)
	for way, stream := range streams {
		if seen := stream.end(); seen.Lost > 0 {
			t.Errorf("%s: %v", way, seen)
		} else {
			t.Logf("%s: %v", way, seen)
		}
	}
}

// rename is what an operator or a new rule of udev does.
func rename(t testing.TB, node, from, to string) {
	t.Helper()
	inNode(t, node, "ip", "link", "set", from, "name", to)
}

// reachesSide waits until a pod and the host on the side LAN reach each other.
func reachesSide(t testing.TB, pod placed) {
	t.Helper()
	eventually(t, time.Minute, "the pod reaches "+sideHost, func() error {
		_, err := inPodNet(t, pod, "curl", "-sS", "--max-time", "2", "http://"+sideHost+"/hostname")
		return err
	})
	inNode(t, "sidehost", "curl", "-sS", "--retry", "5", "--retry-connrefused", "--max-time", "5", "http://"+pod.ips[0]+":8080/hostname")
}

var indices = regexp.MustCompile(`"(ifindex|link_index|link_netnsid)":[0-9]+`)

// anyIndex leaves out of ofHost's answer what is new in a NIC that is plugged in
// again.
func anyIndex(state string) string { return indices.ReplaceAllString(state, `"$1":0`) }
