package claim

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	kubeovnv1 "hawser/api/v1"
)

func object(name, uid, address string) *kubeovnv1.IP {
	return &kubeovnv1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid), ResourceVersion: "1"},
		Spec:       kubeovnv1.IPSpec{Subnet: "s", V4IPAddress: address, IPAddress: address},
	}
}

func nobody(*kubeovnv1.IP) bool { return false }

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, b *Book, want map[string]Verdict) {
	t.Helper()
	for name, verdict := range want {
		if got := b.Judge(name); got.Verdict != verdict {
			t.Errorf("%s: verdict %d (rival %q), want %d", name, got.Verdict, got.Rival, verdict)
		}
	}
}

func TestElderWins(t *testing.T) {
	b := NewBook(nobody)
	do(t, b.Replace(nil, "1"))
	do(t, b.Add(object("a", "z", "10.0.0.1")))
	do(t, b.Add(object("b", "y", "10.0.0.1")))
	do(t, b.Add(object("c", "x", "10.0.0.2")))
	expect(t, b, map[string]Verdict{"a": Won, "b": Lost, "c": Won, "d": Absent})
	do(t, b.Delete(object("a", "z", "10.0.0.1")))
	expect(t, b, map[string]Verdict{"a": Absent, "b": Won})
}

// An object that is updated, with a greater resourceVersion, stays the elder.
func TestUpdateKeepsThePlace(t *testing.T) {
	b := NewBook(nobody)
	do(t, b.Add(object("a", "z", "10.0.0.1")))
	do(t, b.Add(object("b", "y", "10.0.0.1")))
	later := object("a", "z", "10.0.0.1")
	later.ResourceVersion, later.Spec.NodeName = "9", "n2"
	do(t, b.Update(later))
	do(t, b.Replace([]any{later, object("b", "y", "10.0.0.1")}, "9"))
	expect(t, b, map[string]Verdict{"a": Won, "b": Lost})
}

func TestAnotherAddressIsANewClaim(t *testing.T) {
	b := NewBook(nobody)
	do(t, b.Add(object("a", "z", "10.0.0.1")))
	do(t, b.Add(object("b", "y", "10.0.0.2")))
	do(t, b.Update(object("a", "z", "10.0.0.2")))
	expect(t, b, map[string]Verdict{"a": Lost, "b": Won})
}

func TestSameNameIsAnotherObject(t *testing.T) {
	b := NewBook(nobody)
	do(t, b.Add(object("a", "1", "10.0.0.1")))
	do(t, b.Add(object("b", "2", "10.0.0.1")))
	do(t, b.Replace([]any{object("a", "3", "10.0.0.1"), object("b", "2", "10.0.0.1")}, "9"))
	expect(t, b, map[string]Verdict{"a": Lost, "b": Won})
}

// Two objects first seen in one listing are not ordered: neither goes on while
// both are there, and the one that is not in use gives up.
func TestUnorderedWait(t *testing.T) {
	inUse := func(ip *kubeovnv1.IP) bool { return ip.Name == "b" }
	a, b2, b1 := object("a", "1", "10.0.0.1"), object("b", "2", "10.0.0.1"), object("c", "3", "10.0.0.2")
	a.CreationTimestamp = metav1.NewTime(time.Unix(1, 0))
	b2.CreationTimestamp = metav1.NewTime(time.Unix(2, 0))
	b := NewBook(inUse)
	do(t, b.Replace([]any{a, b2, b1}, "9"))
	expect(t, b, map[string]Verdict{"a": Lost, "b": Pending, "c": Won})
	do(t, b.Delete(a))
	expect(t, b, map[string]Verdict{"b": Won})
}

func TestUnorderedByAge(t *testing.T) {
	for name, change := range map[string]func(elder, younger *kubeovnv1.IP){
		"creation time":   func(_, younger *kubeovnv1.IP) { younger.CreationTimestamp = metav1.NewTime(time.Unix(5, 0)) },
		"resourceVersion": func(elder, younger *kubeovnv1.IP) { elder.ResourceVersion, younger.ResourceVersion = "9", "10" },
		"UID":             func(_, _ *kubeovnv1.IP) {},
		"no number":       func(_, younger *kubeovnv1.IP) { younger.ResourceVersion = "x" },
	} {
		t.Run(name, func(t *testing.T) {
			elder, younger := object("e", "1", "10.0.0.1"), object("y", "2", "10.0.0.1")
			change(elder, younger)
			b := NewBook(nobody)
			do(t, b.Replace([]any{younger, elder}, "9"))
			expect(t, b, map[string]Verdict{"e": Pending, "y": Lost})
		})
	}
}

func TestExpectedAndLeaving(t *testing.T) {
	b := NewBook(nobody)
	b.Expect("a")
	expect(t, b, map[string]Verdict{"a": Pending})
	b.Unexpect("a")
	expect(t, b, map[string]Verdict{"a": Absent})
	b.Expect("a")
	a := object("a", "1", "10.0.0.1")
	do(t, b.Add(a))
	expect(t, b, map[string]Verdict{"a": Won})
	b.Leave(a, false)
	if b.Leaving("1") {
		t.Error("confirmed too early")
	}
	expect(t, b, map[string]Verdict{"a": Going})
	do(t, b.Update(object("a", "1", "10.0.0.1")))
	expect(t, b, map[string]Verdict{"a": Going})
	b.Leave(a, true)
	if !b.Leaving("1") {
		t.Error("not confirmed")
	}
	do(t, b.Delete(a))
	b.Leave(a, true)
	do(t, b.Add(object("a", "2", "10.0.0.1")))
	expect(t, b, map[string]Verdict{"a": Won})
}

// A listing from before our creation must not leave us waiting for ever.
func TestListingTellsWhoIsExpected(t *testing.T) {
	b := NewBook(nobody)
	var told []string
	b.Listen(func(name string, _, _ *kubeovnv1.IP) { told = append(told, name) })
	b.Expect("a")
	do(t, b.Replace(nil, "5"))
	if fmt.Sprint(told) != "[a]" {
		t.Errorf("told %v", told)
	}
	expect(t, b, map[string]Verdict{"a": Absent})
}

func TestListenersHearInOrder(t *testing.T) {
	b := NewBook(nobody)
	do(t, b.Add(object("z", "1", "10.0.0.1")))
	do(t, b.Add(object("a", "2", "10.0.0.1")))
	var told []string
	b.Listen(func(name string, old, now *kubeovnv1.IP) {
		told = append(told, fmt.Sprintf("%s %t %t", name, old != nil, now != nil))
	})
	do(t, b.Update(object("a", "2", "10.0.0.3")))
	do(t, b.Delete(object("z", "1", "10.0.0.1")))
	do(t, b.Replace([]any{object("b", "4", "10.0.0.9")}, "9"))
	want := "[z false true a false true a true true z true false a true false b false true]"
	if fmt.Sprint(told) != want {
		t.Errorf("told %v\nwant %s", told, want)
	}
}

func TestGroupsAndHolders(t *testing.T) {
	b := NewBook(nobody)
	kept := object("web-0.shop", "1", "10.0.0.1")
	kept.Spec.PodName, kept.Spec.Namespace, kept.Spec.PodType = "web-0", "shop", kubeovnv1.PodTypeStatefulSet
	do(t, b.Add(kept))
	do(t, b.Add(object("x", "2", "10.0.0.1")))
	if got := fmt.Sprint(b.Names(StatefulSetGroup("shop", "web")), b.Names(SubnetGroup("s")), len(b.Names(SubnetGroup("s")))); got != "[web-0.shop] [web-0.shop x] 2" {
		t.Error(got)
	}
	holders := b.Holders("s", LeaseOf(kept).Addresses)
	if len(holders) != 2 || holders[0].Name != "web-0.shop" {
		t.Errorf("holders %v", holders)
	}
	do(t, b.Delete(kept))
	if len(b.Names(StatefulSetGroup("shop", "web"))) != 0 {
		t.Error("the group is still there")
	}
}

func TestLeaseRoundTrip(t *testing.T) {
	ip := object("a", "1", "")
	ip.Spec.IPAddress, ip.Spec.MacAddress = "10.0.0.1,fd00::1", "0a:00:00:00:00:01"
	lease := LeaseOf(ip)
	var other kubeovnv1.IP
	SetLease(&other, lease)
	if other.Spec.V4IPAddress != "10.0.0.1" || other.Spec.V6IPAddress != "fd00::1" || other.Spec.IPAddress != ip.Spec.IPAddress || other.Spec.MacAddress != ip.Spec.MacAddress {
		t.Errorf("%+v", other.Spec)
	}
}

func TestForeignObjects(t *testing.T) {
	b := NewBook(nobody)
	if b.Add(&kubeovnv1.Subnet{}) == nil || b.Delete("x") == nil || b.Replace([]any{1}, "1") == nil || b.Resync() != nil {
		t.Error("foreign objects are taken")
	}
}
