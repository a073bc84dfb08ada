package controller

import (
	"context"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

func TestPodGetsAddressAndPort(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	pod := w.pod("shop", "web", "n1")
	given := w.allocated(pod)
	ip := w.ips()["web.shop"]
	if ip == nil || ip.Spec.IPAddress != given[kubeovnv1.AnnotationIPAddress] || ip.Spec.NodeName != "n1" || ip.Spec.Subnet != "ovn-default" {
		t.Errorf("IP object %+v, annotations %v", ip, given)
	}
	if ports := w.ports(); !strings.Contains(ports, "web.shop") || !strings.Contains(ports, ip.Spec.MacAddress+" "+strings.ReplaceAll(ip.Spec.IPAddress, ",", " ")) {
		t.Errorf("ports:\n%s", ports)
	}
	if creates, patches := c.writes.of("create IP"), c.writes.of("patch Pod"); creates != 2 || patches != 1 {
		t.Errorf("writes: %s", c.writes.all()) // the second IP is the node's
	}
	w.remove(pod)
	w.gone("web.shop", w.ports)
	w.eventually("its IP object stays", func() error {
		return expectAbsent(w, "web.shop")
	})
	if deletes := c.writes.of("delete IP"); deletes != 1 {
		t.Errorf("writes: %s", c.writes.all())
	}
	c.quiet()
	if _, ok := c.fabric.Claims.Registry.Holder("ovn-default", mustAddr(given[kubeovnv1.AnnotationIPAddress])); ok {
		t.Error("the address is still held in memory")
	}
}

func TestStaticAddress(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	first := w.pod("shop", "first", "n1", "ip_address", "10.16.0.50,fd00:10:16::50", "mac_address", "0a:00:00:00:00:50")
	given := w.allocated(first)
	if given[kubeovnv1.AnnotationIPAddress] != "10.16.0.50,fd00:10:16::50" || given[kubeovnv1.AnnotationMACAddress] != "0a:00:00:00:00:50" {
		t.Errorf("annotations %v", given)
	}
	second := w.pod("shop", "second", "n1", "ip_address", "10.16.0.50")
	w.event(second, "AddressConflict")
	w.remove(first)
	if given := w.allocated(second); given[kubeovnv1.AnnotationIPAddress] != "10.16.0.50" {
		t.Errorf("annotations %v", given)
	}
}

func TestRestartWritesNothing(t *testing.T) {
	w := newWorld(t)
	first := w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	for _, name := range []string{"a", "b", "c"} {
		w.allocated(w.pod("shop", name, "n1"))
	}
	first.quiet()
	first.stop()
	second := w.start()
	second.quiet()
	second.writes.mu.Lock()
	defer second.writes.mu.Unlock()
	for what, count := range second.writes.count {
		if what != "create Vpc" && what != "create Subnet" {
			t.Errorf("%d × %s", count, what)
		}
	}
	if n := second.edge().written(); n != 0 {
		t.Errorf("%d operations on the database", n)
	}
}

func TestPodDeletedWhileControllerIsDown(t *testing.T) {
	w := newWorld(t)
	first := w.start()
	w.namespace("shop")
	node := w.node("n1", "172.30.0.11")
	pod := w.pod("shop", "web", "n1")
	given := w.allocated(pod)
	first.quiet()
	first.stop()
	w.remove(pod)
	w.remove(node)
	w.node("n2", "172.30.0.12")
	other := w.pod("shop", "other", "n2")
	w.start()
	w.gone("web.shop", w.ports)
	w.gone("node-n1", w.ports)
	w.eventually("the IP objects stay", func() error { return expectAbsent(w, "web.shop", "node-n1") })
	if now := w.allocated(other); now[kubeovnv1.AnnotationIPAddress] == given[kubeovnv1.AnnotationIPAddress] {
		t.Logf("the address %s was given away after it had been freed", given[kubeovnv1.AnnotationIPAddress])
	}
}

func TestIPDeletedByHandIsClaimedAgain(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	pod := w.pod("shop", "web", "n1")
	given := w.allocated(pod)
	w.remove(w.ips()["web.shop"])
	w.eventually("it is not claimed again", func() error {
		if ip := w.ips()["web.shop"]; ip == nil || ip.Spec.IPAddress != given[kubeovnv1.AnnotationIPAddress] {
			return client.IgnoreNotFound(expectedIP(ip))
		}
		return nil
	})
	c.quiet()
	c.stop()
	w.remove(w.ips()["web.shop"])
	stranger := w.pod("shop", "stranger", "n1", "ip_address", given[kubeovnv1.AnnotationIPAddress])
	w.start()
	w.event(stranger, "AddressConflict")
	w.eventually("it is not claimed again after a restart", func() error { return expectedIP(w.ips()["web.shop"]) })
	_ = context.Background()
}
