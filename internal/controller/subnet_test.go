package controller

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/finalizer"
)

func (w *world) makeSubnet(name, cidr string, change ...func(*kubeovnv1.Subnet)) *kubeovnv1.Subnet {
	w.t.Helper()
	subnet := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kubeovnv1.SubnetSpec{CIDRBlock: cidr}}
	for _, f := range change {
		f(subnet)
	}
	w.check(w.api.Create(context.Background(), subnet))
	return subnet
}

// edit changes an object as a user does with kubectl edit.
func edit[T client.Object](w *world, obj T, change func(T)) {
	w.t.Helper()
	w.eventually("editing "+obj.GetName(), func() error {
		if err := w.api.Get(context.Background(), client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
		change(obj)
		return w.api.Update(context.Background(), obj)
	})
}

// condition waits until a Subnet's condition is like "Ready=True".
func (w *world) condition(name, want string) kubeovnv1.Condition {
	w.t.Helper()
	var found kubeovnv1.Condition
	w.eventually("subnet "+name+" is not "+want, func() error {
		var subnet kubeovnv1.Subnet
		if err := w.api.Get(context.Background(), client.ObjectKey{Name: name}, &subnet); err != nil {
			return err
		}
		for _, c := range subnet.Status.Conditions {
			if c.Type+"="+string(c.Status) == want && c.ObservedGeneration == subnet.Generation {
				found = c
				return nil
			}
		}
		return fmt.Errorf("conditions %+v", subnet.Status.Conditions)
	})
	return found
}

func TestSubnetIsFilledAndRealised(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.makeSubnet("shop", "10.20.0.9/16,fd00:20::/112")
	w.condition("shop", "Ready=True")
	var subnet kubeovnv1.Subnet
	w.eventually("its defaults are not filled in", func() error {
		w.check(w.api.Get(context.Background(), client.ObjectKey{Name: "shop"}, &subnet))
		s := subnet.Spec
		if s.Gateway != "10.20.0.1,fd00:20::1" || s.Vpc != "ovn-cluster" || s.Protocol != "Dual" || s.Provider != "ovn" || s.GatewayType != "distributed" || !finalizer.On(&subnet) {
			return fmt.Errorf("%+v %v", s, subnet.Finalizers)
		}
		if subnet.Status.V4AvailableIPs.String() != "65533" {
			return fmt.Errorf("%+v", subnet.Status)
		}
		return nil
	})
	// A user empties one filled field and changes another.
	edit(w, &subnet, func(s *kubeovnv1.Subnet) { s.Spec.Gateway, s.Spec.GatewayType = "10.20.0.5,fd00:20::5", "" })
	w.eventually("what the user emptied is not filled in again", func() error {
		w.check(w.api.Get(context.Background(), client.ObjectKey{Name: "shop"}, &subnet))
		if s := subnet.Spec; s.Gateway != "10.20.0.5,fd00:20::5" || s.GatewayType != "distributed" || s.Vpc != "ovn-cluster" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

func TestOverlapIsReportedAndHarmsNobody(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	good := w.makeSubnet("good", "10.20.0.0/16")
	w.condition("good", "Ready=True")
	bad := w.makeSubnet("bad", "10.20.128.0/24")
	if c := w.condition("bad", "Validated=False"); c.Reason != "Overlap" {
		t.Errorf("%+v", c)
	}
	w.event(bad, "Overlap")
	if strings.Contains(w.nb.Dump("Logical_Switch", "name"), "bad") {
		t.Error("the bad one has a switch")
	}
	w.condition("good", "Ready=True")
	w.remove(good)
	w.condition("bad", "Ready=True")
	c.quiet()
}

func TestUnbuiltFields(t *testing.T) {
	w := newWorld(t)
	w.start()
	closed := w.makeSubnet("closed", "10.20.0.0/16", func(s *kubeovnv1.Subnet) {
		s.Spec.ACLs = []kubeovnv1.ACL{{Direction: "to-lport", Priority: 1, Match: "ip", Action: "drop"}}
	})
	if c := w.condition("closed", "Ready=False"); c.Reason != kubeovnv1.ReasonUnsupported || !strings.Contains(c.Message, "acls") {
		t.Errorf("%+v", c)
	}
	w.event(closed, kubeovnv1.ReasonUnsupported)
	w.makeSubnet("partly", "10.21.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.EnableDHCP = true })
	w.condition("partly", "Ready=True")
	if c := w.condition("partly", "Supported=False"); !strings.Contains(c.Message, "enableDHCP") {
		t.Errorf("%+v", c)
	}
	if switches := w.nb.Dump("Logical_Switch", "name"); strings.Contains(switches, "closed") || !strings.Contains(switches, "partly") {
		t.Error(switches)
	}
}

func TestFullSubnetWakesWhoWaits(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.namespace("tiny")
	w.node("n1", "172.30.0.11")
	w.makeSubnet("tiny", "10.20.0.0/29", func(s *kubeovnv1.Subnet) { s.Spec.Namespaces = []string{"tiny"} })
	w.condition("tiny", "Ready=True")
	var pods []*corev1.Pod
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		pods = append(pods, w.pod("tiny", name, "n1"))
	}
	for _, pod := range pods {
		w.allocated(pod)
	}
	waiting := []*corev1.Pod{w.pod("tiny", "f", "n1"), w.pod("tiny", "g", "n1"), w.pod("tiny", "h", "n1")}
	note := w.event(waiting[0], "SubnetFull")
	if !strings.Contains(note, "tiny") {
		t.Error(note)
	}
	w.event(waiting[1], "SubnetFull")
	w.event(waiting[2], "SubnetFull")
	w.remove(waiting[0]) // who is called first may be gone
	w.remove(pods[0])
	w.remove(pods[1])
	w.allocated(waiting[1])
	w.allocated(waiting[2])
	last := w.pod("tiny", "i", "n1")
	w.event(last, "SubnetFull")
	var subnet kubeovnv1.Subnet
	subnet.Name = "tiny"
	edit(w, &subnet, func(s *kubeovnv1.Subnet) { s.Spec.CIDRBlock = "10.20.0.0/24" })
	w.allocated(last)
}

func TestSubnetGoesWithItsLastAddress(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	subnet := w.makeSubnet("shop", "10.20.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.Namespaces = []string{"shop"} })
	w.condition("shop", "Ready=True")
	w.annotated("shop", kubeovnv1.AnnotationLogicalSwitch, "shop")
	pod := w.pod("shop", "web", "n1")
	if given := w.allocated(pod); given[kubeovnv1.AnnotationLogicalSwitch] != "shop" {
		t.Errorf("annotations %v", given)
	}
	w.remove(subnet)
	w.event(subnet, "InUse")
	w.remove(pod)
	w.eventually("the subnet stays", func() error {
		if err := w.api.Get(context.Background(), client.ObjectKey{Name: "shop"}, subnet); client.IgnoreNotFound(err) == nil && err != nil {
			return nil
		}
		return fmt.Errorf("%+v", subnet.Finalizers)
	})
	w.gone("10.20.0.1", func() string { return w.nb.Dump("Logical_Router_Port", "name", "networks") })
	w.annotated("shop", kubeovnv1.AnnotationLogicalSwitch, "ovn-default")
}

func (w *world) annotated(namespace, key, value string) {
	w.t.Helper()
	w.eventually("namespace "+namespace+" is not annotated", func() error {
		var ns corev1.Namespace
		if err := w.api.Get(context.Background(), client.ObjectKey{Name: namespace}, &ns); err != nil {
			return err
		}
		if ns.Annotations[key] != value {
			return fmt.Errorf("%v", ns.Annotations)
		}
		return nil
	})
}

func TestBootstrapOverwritesNothing(t *testing.T) {
	w := newWorld(t)
	w.start().stop()
	var subnet kubeovnv1.Subnet
	subnet.Name = "ovn-default"
	edit(w, &subnet, func(s *kubeovnv1.Subnet) { s.Spec.NatOutgoing, s.Spec.ExcludeIPs = false, []string{"10.16.0.9"} })
	w.start().quiet()
	w.check(w.api.Get(context.Background(), client.ObjectKey{Name: "ovn-default"}, &subnet))
	if subnet.Spec.NatOutgoing || len(subnet.Spec.ExcludeIPs) != 1 {
		t.Errorf("%+v", subnet.Spec)
	}
	var vpc kubeovnv1.Vpc
	w.check(w.api.Get(context.Background(), client.ObjectKey{Name: "ovn-cluster"}, &vpc))
	if s := vpc.Status; !s.Standby || !s.Default || s.DefaultLogicalSwitch != "ovn-default" || strings.Join(s.Subnets, ",") != "join,ovn-default" {
		t.Errorf("%+v", s)
	}
	if routes := w.nb.Dump("Logical_Router_Static_Route", "ip_prefix", "nexthop"); !strings.Contains(routes, "100.64.0.1") || !strings.Contains(routes, "fd00:100:64::1") {
		t.Error(routes)
	}
}

// Counts are written at most once a second, whatever happens.
func TestUsageIsWrittenSeldom(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	c.quiet()
	c.writes.reset()
	var pods []*corev1.Pod
	for i := range 40 {
		pods = append(pods, w.pod("shop", fmt.Sprintf("p%d", i), "n1"))
	}
	for _, pod := range pods {
		w.allocated(pod)
	}
	c.quiet()
	if n := c.writes.of("patch status Subnet"); n == 0 || n > 4 {
		t.Errorf("%d writes of the counts: %s", n, c.writes.all())
	}
	if creates, patches := c.writes.of("create IP"), c.writes.of("patch Pod"); creates != 40 || patches != 40 {
		t.Errorf("writes: %s", c.writes.all())
	}
	var subnet kubeovnv1.Subnet
	w.check(w.api.Get(context.Background(), client.ObjectKey{Name: "ovn-default"}, &subnet))
	if subnet.Status.V4UsingIPs.String() != "40" {
		t.Errorf("%+v", subnet.Status)
	}
}
