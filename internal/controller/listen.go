package controller

import (
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/logical"
	"hawser/internal/plan/overlay"
)

// Listen connects the Book: from now on memory follows it, and whoever an IP
// object matters to is woken by its changes. Called once, when a process has
// become leader and before it looks for a free address.
func (f *Fabric) Listen() {
	f.Claims.Freed = f.freed
	f.Claims.Book.Listen(func(name string, old, now *kubeovnv1.IP) {
		if now != nil {
			_ = f.Claims.Restore(now) // what it is refused for comes up when its holder looks at it
		}
		for _, ip := range []*kubeovnv1.IP{old, now} {
			if ip != nil {
				f.boxes.usage.Add(reconcile.Request{NamespacedName: client.ObjectKey{Name: ip.Spec.Subnet}})
			}
		}
		f.boxes.wakeHolders(name, old, now)
	})
}

// wakeHolders wakes those whom an IP object concerns. Only the holder's queue
// may take an address back, so that no other can before the port is gone.
func (b boxes) wakeHolders(name string, old, now *kubeovnv1.IP) {
	ip := now
	if ip == nil {
		ip = old
	}
	if ip == nil {
		b.wakeByName(name)
		return
	}
	kind, key := holderOf(ip)
	request := reconcile.Request{NamespacedName: key}
	switch kind {
	case "Pod":
		b.pods.Add(request)
	case "Node":
		b.nodes.Add(request)
	}
	if kind == "" || (now != nil && !claim.IsOurs(now)) {
		b.ips.Add(reconcile.Request{NamespacedName: client.ObjectKey{Name: name}})
	}
}

// wakeByName is for an object of which only the name is known.
func (b boxes) wakeByName(name string) {
	if node, ok := strings.CutPrefix(name, overlay.NodePortName("")); ok {
		b.nodes.Add(reconcile.Request{NamespacedName: client.ObjectKey{Name: node}})
	}
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		b.pods.Add(reconcile.Request{NamespacedName: client.ObjectKey{Namespace: name[i+1:], Name: name[:i]}})
	}
}

// holderOf tells who an IP object is for; the kind is empty for a reservation
// that a user made for nobody.
func holderOf(ip *kubeovnv1.IP) (kind string, key client.ObjectKey) {
	if owner, ok := logical.ParseOwner(ip.Annotations[claim.AnnotationHolder]); ok {
		return owner.Kind, client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}
	}
	if ip.Spec.PodName != "" && ip.Name == overlay.PodPortName(ip.Spec.Namespace, ip.Spec.PodName) {
		return "Pod", client.ObjectKey{Namespace: ip.Spec.Namespace, Name: ip.Spec.PodName}
	}
	if node, ok := strings.CutPrefix(ip.Name, overlay.NodePortName("")); ok && ip.Spec.PodName == "" && ip.Spec.Subnet != "" && ip.Spec.NodeName == node {
		return "Node", client.ObjectKey{Name: node}
	}
	return "", client.ObjectKey{}
}
