package node

import (
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
)

// TestSubInterface: a VLAN sub-interface of the machine's only NIC is made for a
// provider network, again when somebody has deleted it, and goes with the network. The
// machine itself has its network all the time.
func TestSubInterface(t *testing.T) {
	plainNIC(t)
	cluster(t)
	controller(t)
	await(t, `[ -z "$(ip address show dev eth1 tentative)" ]`)
	before := belongings(t)
	lost := pingOutside(t)
	own := agent(t, first)
	n := &network{t: t, name: "made"}
	n.put(&kubeovnv1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: n.name},
		Spec:       kubeovnv1.ProviderNetworkSpec{DefaultInterface: "eth1.100", AutoCreateVlanSubinterfaces: true},
	})
	n.until("is a port", func(status kubeovnv1.ProviderNetworkNodeStatus) bool {
		return status.Phase == kubeovnv1.PhaseReady && status.Attachment == kubeovnv1.AttachmentPort
	})
	n.subnet("brown", 0, "192.168.100.0/24", taggedAddress, "192.168.100.1..192.168.100.199")
	brown := n.pod("brown")
	reaches(t, brown.at(), taggedAddress)

	own.end(syscall.SIGKILL)
	sh(t, "ip link del eth1.100")
	own.begin()
	ready(t, first)
	await(t, "ip -d link show eth1.100 | grep -q 'alias kube-ovn:made'")
	reaches(t, brown.at(), taggedAddress)

	n.leave()
	if diff := cmp.Diff(before, belongings(t)); diff != "" {
		t.Errorf("the machine is not as it was (-before +after):\n%s", diff)
	}
	noLoss(t, lost())
}
