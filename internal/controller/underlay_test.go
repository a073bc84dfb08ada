package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// wire makes a provider network and a Vlan of it, for one test.
func (w *world) wire(vlan string, id int) *kubeovnv1.Vlan {
	w.t.Helper()
	pn := &kubeovnv1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: "net1"}, Spec: kubeovnv1.ProviderNetworkSpec{DefaultInterface: "eth1"}}
	v := &kubeovnv1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: vlan}, Spec: kubeovnv1.VlanSpec{ID: id, Provider: "net1"}}
	for _, obj := range []client.Object{pn, v} {
		w.check(client.IgnoreAlreadyExists(w.api.Create(context.Background(), obj)))
		w.t.Cleanup(func() { _ = w.api.Delete(context.Background(), obj) })
	}
	return v
}

// hasLocalnet waits for a port to the wire, with tag and network.
func (w *world) hasLocalnet(parts ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprint("no localnet port with ", parts), func() error {
		text := w.nb.Dump("Logical_Switch_Port", "name", "tag", "options")
		for _, part := range parts {
			if !strings.Contains(text, part) {
				return errors.New(text)
			}
		}
		return nil
	})
}

// TestUnderlaySubnet: it waits for its Vlan, has its pods told where they are,
// and moves them when the Vlan gets another number.
func TestUnderlaySubnet(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("office")
	w.node("n1", "192.168.7.1") // nodes may be in it, and keep their addresses
	w.makeSubnet("office", "192.168.7.0/24", func(s *kubeovnv1.Subnet) {
		s.Spec.Vlan, s.Spec.Gateway, s.Spec.Namespaces = "v100", "192.168.7.254", []string{"office"}
	})
	if c := w.condition("office", "Validated=False"); c.Reason != "UnknownVlan" {
		t.Errorf("%+v", c)
	}
	pod := w.pod("office", "web", "n1")
	vlan := w.wire("v100", 100)
	w.condition("office", "Ready=True")
	given := w.allocated(pod)
	if given[kubeovnv1.AnnotationProviderNetwork] != "net1" || given[kubeovnv1.AnnotationVlanID] != "100" || given[kubeovnv1.AnnotationGateway] != "192.168.7.254" ||
		given[kubeovnv1.AnnotationIPAddress] != "192.168.7.2" {
		t.Errorf("annotations %v", given)
	}
	w.hasLocalnet("localnet.office", ": 100", "network_name=net1")

	w.node("n2", "192.168.7.3")
	w.eventually("a new node's address is still to be had", func() error {
		if network, _ := c.fabric.networks.get("office"); len(network.Excludes) != 2 {
			return fmt.Errorf("%v", network.Excludes)
		}
		return nil
	})
	if next := w.allocated(w.pod("office", "next", "n1")); next[kubeovnv1.AnnotationIPAddress] != "192.168.7.4" {
		t.Errorf("annotations %v", next)
	}

	c.stop() // a new leader knows the VLAN before it looks at the first pod
	c = w.start()
	c.quiet()
	if again := w.allocated(pod); again[kubeovnv1.AnnotationVlanID] != "100" || c.writes.of("patch Pod") != 0 {
		t.Errorf("after a restart: %v, %s", again, c.writes.all())
	}

	edit(w, vlan, func(v *kubeovnv1.Vlan) { v.Spec.ID = 200 })
	w.hasLocalnet("localnet.office", ": 200")
	w.eventually("the pod is not told", func() error {
		if now := w.allocated(pod); now[kubeovnv1.AnnotationVlanID] != "200" {
			return fmt.Errorf("%v", now)
		}
		return nil
	})
}

// TestSubnetOfMACs: pods of a subnet without addresses get a MAC, and keep it
// over a restart.
func TestSubnetOfMACs(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("foreign")
	w.node("n1", "172.30.0.11")
	w.wire("v0", 0)
	w.makeSubnet("foreign", "", func(s *kubeovnv1.Subnet) { s.Spec.Vlan, s.Spec.Namespaces = "v0", []string{"foreign"} })
	w.condition("foreign", "Ready=True")
	pod := w.pod("foreign", "a", "n1")
	given := w.allocated(pod)
	if given[kubeovnv1.AnnotationMACAddress] == "" || given[kubeovnv1.AnnotationIPAddress] != "" || given[kubeovnv1.AnnotationVlanID] != "0" {
		t.Errorf("annotations %v", given)
	}
	other := w.allocated(w.pod("foreign", "b", "n1"))
	if other[kubeovnv1.AnnotationMACAddress] == given[kubeovnv1.AnnotationMACAddress] {
		t.Error("two pods have one MAC")
	}
	c.stop()
	c = w.start()
	c.quiet()
	if again := w.allocated(pod); again[kubeovnv1.AnnotationMACAddress] != given[kubeovnv1.AnnotationMACAddress] {
		t.Errorf("%v, before %v", again, given)
	}
	w.remove(pod)
	w.gone("a.foreign", w.ports)
}
