package kernel_test

import (
	"slices"
	"testing"

	"hawser/test/netnstest"
)

// TestLent: what a pod has on a NIC is found; its cable, what stands on another NIC
// and what is in this namespace are not.
func TestLent(t *testing.T) {
	client := node(t)
	for _, nic := range []string{"eth1", "eth2"} {
		netnstest.IP(t, "link add %s type veth peer name far%s", nic, nic)
	}
	pod := netnstest.New(t)
	pod.Cable("cable", "eth0")
	netnstest.IP(t, "link add link eth1 name net1 netns %s type macvlan mode bridge", pod.Path())
	netnstest.IP(t, "link add link eth2 name net2 netns %s type macvlan mode bridge", pod.Path())
	netnstest.IP(t, "link add link eth1 name moved type macvlan mode bridge")
	netnstest.IP(t, "link set moved netns %s", pod.Path())
	netnstest.IP(t, "link add link eth1 name here type macvlan mode bridge")
	if lent, err := client.Lent(t.Context(), "eth1"); err != nil || !slices.Equal(lent, []string{"moved", "net1"}) {
		t.Errorf("lent %v (%v)", lent, err)
	}
	for _, nic := range []string{"cable", "nowhere"} {
		if lent, err := client.Lent(t.Context(), nic); err != nil || len(lent) != 0 {
			t.Errorf("%s: lent %v (%v)", nic, lent, err)
		}
	}
}
