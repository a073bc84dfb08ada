package node

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// network is a provider network, made as users make one. Its VLANs are those of
// the subnets that it gets, each called as its subnet.
type network struct {
	t       testing.TB
	name    string
	objects []client.Object // in the order of their making
	pods    []pod
}

// share has the first node's NIC join a provider network, and waits until it has.
// How, is left to the node: each NIC of these tests has to be shared.
func share(t testing.TB, name, nic string) *network {
	t.Helper()
	n := &network{t: t, name: name}
	n.put(&kubeovnv1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       kubeovnv1.ProviderNetworkSpec{DefaultInterface: nic},
	})
	begun := time.Now()
	n.joined()
	t.Logf("%s has joined %s after %v", nic, name, time.Since(begun).Round(time.Millisecond))
	return n
}

// joined waits until the node says that its NIC is in.
func (n *network) joined() {
	n.t.Helper()
	status := n.until("has joined", func(status kubeovnv1.ProviderNetworkNodeStatus) bool {
		return status.Phase == kubeovnv1.PhaseReady
	})
	if status.Attachment != kubeovnv1.AttachmentShared {
		n.t.Fatalf("%s has joined as %s, want Shared", n.name, status.Attachment)
	}
}

// until waits until the node says so of its part.
func (n *network) until(what string, so func(kubeovnv1.ProviderNetworkNodeStatus) bool) kubeovnv1.ProviderNetworkNodeStatus {
	n.t.Helper()
	name := client.ObjectKey{Name: n.name + "." + first.name}
	for deadline := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		var part kubeovnv1.ProviderNetworkNode // a new one each time: what is left out would stay
		err := api(n.t).Get(n.t.Context(), name, &part)
		if err == nil && so(part.Status) {
			return part.Status
		}
		if time.Now().After(deadline) {
			said, _ := json.Marshal(part.Status)
			n.t.Fatalf("not so after %v: %s %s: %v\n%s", patience, name.Name, what, err, said)
		}
	}
}

// subnet adds one, in a VLAN of its own. Its gateway is the physical host's
// address there; others than pods have the addresses excluded.
func (n *network) subnet(name string, vlan int, cidr, gateway string, excluded ...string) {
	n.t.Helper()
	n.put(&kubeovnv1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kubeovnv1.VlanSpec{ID: vlan, Provider: n.name}})
	n.put(&kubeovnv1.Subnet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       kubeovnv1.SubnetSpec{Vlan: name, CIDRBlock: cidr, Gateway: gateway, ExcludeIPs: excluded},
	})
}

// lanSubnets adds the two of the LAN: untagged, and in VLAN 100.
func (n *network) lanSubnets() {
	n.t.Helper()
	n.subnet("flat", 0, "192.168.50.0/24", outsideAddress, "192.168.50.1..192.168.50.199", outsideAddress)
	n.subnet("red", 100, "192.168.100.0/24", taggedAddress, "192.168.100.1..192.168.100.199")
}

// pod starts one in a subnet, called as that.
func (n *network) pod(subnet string) pod {
	n.t.Helper()
	p := startPod(n.t, first, subnet, subnet)
	n.pods = append(n.pods, p)
	return p
}

func (n *network) put(object client.Object) {
	n.t.Helper()
	if err := api(n.t).Create(n.t.Context(), object); err != nil {
		n.t.Fatal(err)
	}
	n.objects = append(n.objects, object)
	n.t.Cleanup(func() { _ = api(n.t).Delete(context.Background(), object) })
}

// exclude has the network leave the node out, and waits until that has let go.
func (n *network) exclude() {
	n.t.Helper()
	pn := &kubeovnv1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: n.name}}
	out := fmt.Sprintf(`{"spec":{"excludeNodes":[%q]}}`, first.name)
	if err := api(n.t).Patch(n.t.Context(), pn, client.RawPatch(types.MergePatchType, []byte(out))); err != nil {
		n.t.Fatal(err)
	}
	part := &kubeovnv1.ProviderNetworkNode{ObjectMeta: metav1.ObjectMeta{Name: n.name + "." + first.name}}
	for deadline := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		if err := api(n.t).Get(n.t.Context(), client.ObjectKeyFromObject(part), part); apierrors.IsNotFound(err) {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("%s is still in after %v: %+v", part.Name, patience, part.Status)
		}
	}
}

// leave takes all away, the last first, and waits until nothing is left: the
// network goes when its VLANs do, these when their subnets do, and those when
// their pods do.
func (n *network) leave() {
	n.t.Helper()
	for _, p := range n.pods {
		p.stop(n.t)
	}
	for i := len(n.objects) - 1; i >= 0; i-- {
		if err := api(n.t).Delete(n.t.Context(), n.objects[i]); err != nil {
			n.t.Fatal(err)
		}
	}
	for _, object := range n.objects {
		n.gone(object)
	}
}

func (n *network) gone(object client.Object) {
	n.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		err := api(n.t).Get(n.t.Context(), client.ObjectKeyFromObject(object), object)
		if apierrors.IsNotFound(err) {
			return
		}
		if time.Now().After(deadline) {
			there, _ := json.Marshal(object)
			n.t.Fatalf("there is still, after %v: %v\n%s", patience, err, there)
		}
	}
}
