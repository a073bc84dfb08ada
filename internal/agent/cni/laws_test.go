package cni

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hawser/internal/cniwire"
	"hawser/internal/host"
	"hawser/internal/vswitch"
	"hawser/test/netnstest"
)

const (
	first  = "aaaaaaaaaaaaaaaa"
	second = "bbbbbbbbbbbbbbbb"
)

func mustAdd(t *testing.T, s *Server, call cniwire.Request) *cniwire.Result {
	t.Helper()
	result, err := s.add(t.Context(), call)
	if err != nil {
		t.Fatal("ADD:", err)
	}
	return result
}

func mustDel(t *testing.T, s *Server, call cniwire.Request) {
	t.Helper()
	if _, err := s.del(t.Context(), call); err != nil {
		t.Fatal("DEL:", err)
	}
}

// TestThreeLaws: ADD gives what it says; ADD again changes nothing; DEL, as often
// as you like, leaves nothing and does not touch a neighbour.
func TestThreeLaws(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	r.pods.put(allocated("web", "uid-1"))
	s := r.server()
	if _, err := r.vs.Apply(t.Context(), "Pod/default/neighbour", host.Switching{Ports: []host.BridgePort{{Bridge: "br-int", Name: "neighbour_h"}}}); err != nil {
		t.Fatal(err)
	}
	call := r.call(netnstest.New(t), first)

	result := mustAdd(t, s, call)
	if diff := cmp.Diff(answer(first), result, netipComparer); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	call.Previous = result
	if _, err := s.check(t.Context(), call); err != nil {
		t.Error("CHECK:", err)
	}
	before := r.db.Dump("Interface") + r.db.Dump("Port")
	if again := mustAdd(t, r.server(), call); !cmp.Equal(result, again, netipComparer) {
		t.Errorf("the second ADD answered %+v", again)
	}
	if diff := cmp.Diff(before, r.db.Dump("Interface")+r.db.Dump("Port")); diff != "" {
		t.Errorf("the second ADD changed rows:\n%s", diff)
	}
	for range 2 {
		mustDel(t, r.server(), call)
	}
	if _, err := s.check(t.Context(), call); err == nil {
		t.Error("CHECK passes after DEL")
	}
	if all := r.vs.All("Pod/"); len(all) != 1 || all["Pod/default/neighbour"].Ports == nil {
		t.Errorf("after DEL: %+v", all)
	}
	if _, err := r.vs.Apply(t.Context(), "Pod/default/neighbour", host.Switching{}); err != nil {
		t.Fatal(err)
	}
	r.nothingLeft()
}

var netipComparer = cmp.Options{
	cmp.Comparer(func(a, b cniwire.IP) bool { return a == b }),
	cmp.Comparer(func(a, b cniwire.Route) bool { return a == b }),
}

// TestKilledAtEveryStepOfAdd kills the agent before and after each thing that ADD
// does to the node. Whatever then comes, a repeated ADD or a DEL, ends well.
func TestKilledAtEveryStepOfAdd(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	r.pods.put(allocated("web", "uid-1"))
	for n := 1; ; n++ {
		call := r.call(netnstest.New(t), first)
		s, k := r.killed(n)
		_, err := s.add(t.Context(), call)
		if err == nil {
			t.Logf("ADD has %d places to die at", n-1)
			mustDel(t, r.server(), call)
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		call.Previous = mustAdd(t, r.server(), call)
		if _, err := r.server().check(t.Context(), call); err != nil {
			t.Errorf("killed %s: after the repeated ADD: %v", k.at, err)
		}
		mustDel(t, r.server(), call)
		r.nothingLeft()

		s, _ = r.killed(n)
		_, _ = s.add(t.Context(), call)
		mustDel(t, r.server(), call)
		r.nothingLeft()
	}
	r.nothingLeft()
}

func TestKilledAtEveryStepOfDel(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	r.pods.put(allocated("web", "uid-1"))
	for n := 1; ; n++ {
		call := r.call(netnstest.New(t), first)
		mustAdd(t, r.server(), call)
		s, _ := r.killed(n)
		_, err := s.del(t.Context(), call)
		if err == nil {
			t.Logf("DEL has %d places to die at", n-1)
			break
		}
		mustDel(t, r.server(), call)
		r.nothingLeft()
	}
	r.nothingLeft()
}

// TestNextContainerOfThePod: a sandbox that died is replaced, and its late DEL
// does not hit the new one (StatefulSet pods keep their name as well).
func TestNextContainerOfThePod(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	r.pods.put(allocated("web", "uid-1"))
	s := r.server()
	old, now := r.call(netnstest.New(t), first), r.call(netnstest.New(t), second)
	mustAdd(t, s, old)
	now.Previous = mustAdd(t, s, now)
	mustDel(t, s, old)
	if _, err := s.check(t.Context(), now); err != nil {
		t.Error("after the late DEL:", err)
	}
	now.Pod = cniwire.Pod{} // a runtime that does not tell whose it was
	mustDel(t, s, now)
	r.nothingLeft()
}

func TestDelOfTheUnknown(t *testing.T) {
	r := newRig(t)
	s := r.server()
	mustDel(t, s, cniwire.Request{ContainerID: first, Pod: cniwire.Pod{Namespace: "default", Name: "web"}})
	mustDel(t, s, cniwire.Request{ContainerID: "short"})
	_, err := s.del(t.Context(), cniwire.Request{})
	mustContain(t, err, "does not name a container")
}

func TestGC(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	r.pods.put(allocated("web", "uid-1"))
	r.pods.put(allocated("db", "uid-2"))
	s := r.server()
	keep, lost := r.call(netnstest.New(t), first), r.call(netnstest.New(t), second)
	lost.Pod.Name, lost.Pod.UID = "db", "uid-2"
	keep.Previous = mustAdd(t, s, keep)
	mustAdd(t, s, lost)
	netnstest.IP(t, "link add foreign_h type veth peer name other") // looks like ours, but has no owner
	if _, err := s.gc(t.Context(), cniwire.Request{Valid: []cniwire.Attachment{{ContainerID: first, IfName: "eth0"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.check(t.Context(), keep); err != nil {
		t.Error("the valid one:", err)
	}
	if all := r.vs.All("Pod/default/db"); len(all) != 0 {
		t.Errorf("the lost one: %+v", all)
	}
	netnstest.IP(t, "link del foreign_h") // which fails if GC took it
	if _, err := s.gc(t.Context(), cniwire.Request{}); err != nil {
		t.Fatal(err)
	}
	r.nothingLeft()
}

// TestSweep: pods that went while no agent ran lose port and cable, others not.
func TestSweep(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	r.pods.put(allocated("web", "uid-1"))
	r.pods.put(allocated("db", "uid-2"))
	s := r.server()
	stays, went := r.call(netnstest.New(t), first), r.call(netnstest.New(t), second)
	went.Pod.Name, went.Pod.UID = "db", "uid-2"
	stays.Previous = mustAdd(t, s, stays)
	mustAdd(t, s, went)
	r.pods.drop(allocated("db", "uid-2"))
	r.server().sweep(t.Context())
	if _, err := s.check(t.Context(), stays); err != nil {
		t.Error("the pod that is there:", err)
	}
	r.pods.fail(errors.New("no API server"))
	r.pods.drop(allocated("web", "uid-1"))
	r.server().sweep(t.Context())
	if _, err := s.check(t.Context(), stays); err != nil {
		t.Error("swept although the pods are not known:", err)
	}
	r.pods.fail(nil)
	r.server().sweep(t.Context())
	r.nothingLeft()
}

func TestCheckSeesWhatIsWrong(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	r.pods.put(allocated("web", "uid-1"))
	s := r.server()
	pod := netnstest.New(t)
	call := r.call(pod, first)
	call.Previous = mustAdd(t, s, call)
	check := func(parts ...string) {
		t.Helper()
		_, err := s.check(t.Context(), call)
		mustContain(t, err, parts...)
		mustAdd(t, s, call)
	}
	pod.IP("addr add 10.16.9.9/16 dev eth0")
	check("10.16.9.9/16")
	r.db.VSCtl("set", "Interface", "aaaaaaaaaaaa_h", "external_ids:iface-id=other")
	eventually(t, r, func() bool {
		return r.vs.All("Pod/")["Pod/default/web"].Ports[0].ExternalIDs["iface-id"] == "other"
	})
	check("iface-id", "other")
	call.Previous = nil
	check("ADD had answered")
	call.Previous = &cniwire.Result{MAC: "none"}
	check("MAC")
	mustDel(t, s, call)
}

func eventually(t *testing.T, r *rig, met func() bool) {
	t.Helper()
	hint, limit := r.vs.Changed(), time.After(10*time.Second)
	for !met() {
		select {
		case <-hint:
		case <-limit:
			t.Fatal("not seen within 10 s")
		}
	}
}

// TestAddWaitsForTheAddress, and is woken by the pod's update, not by a clock.
func TestAddWaitsForTheAddress(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	s := r.server()
	woken := make(chan time.Time, 1)
	go func() {
		time.Sleep(100 * time.Millisecond)
		r.pods.put(allocated("web", "uid-0")) // the pod of that name before
		time.Sleep(100 * time.Millisecond)
		r.pods.put(pending("web", "uid-1"))
		time.Sleep(100 * time.Millisecond)
		woken <- time.Now()
		r.pods.put(allocated("web", "uid-1"))
	}()
	call := r.call(netnstest.New(t), first)
	mustAdd(t, s, call)
	if took := time.Since(<-woken); took > 2*time.Second {
		t.Errorf("ADD took %s after the address came", took)
	} else {
		t.Logf("ADD took %s after the address came", took)
	}
	mustDel(t, s, call)
}

func TestAddOfAStaticPod(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	mirror := allocated("web", "uid-of-the-mirror")
	mirror.Annotations[mirrorKey] = "uid-1"
	r.pods.put(mirror)
	s := r.server()
	call := r.call(netnstest.New(t), first)
	mustAdd(t, s, call)
	mustDel(t, s, call)
}

func TestAddGivesUpWithAReason(t *testing.T) {
	r := newRig(t)
	cfg := r.config()
	cfg.AddressWait, cfg.InstallWait = 50*time.Millisecond, 50*time.Millisecond
	call := r.call(netnstest.New(t), first)

	_, err := r.serverOf(cfg).add(t.Context(), call)
	mustContain(t, err, "default/web", "has no address yet", "not heard of the pod", "kubectl")
	r.pods.put(pending("web", "uid-1"))
	_, err = r.serverOf(cfg).add(t.Context(), call)
	mustContain(t, err, "default/web", "has no address yet", "kube-ovn-controller")
	cfg.Explain = func(context.Context, string, string) string { return "subnet ovn-default is full" }
	_, err = r.serverOf(cfg).add(t.Context(), call)
	mustContain(t, err, "default/web", "has no address yet", "subnet ovn-default is full")

	for key, value := range map[string]string{"ip_address": "10.16.0.300", "mac_address": "x"} {
		bad := allocated("web", "uid-1")
		bad.Annotations["ovn.kubernetes.io/"+key] = value
		r.pods.put(bad)
		_, err = r.serverOf(cfg).add(t.Context(), call)
		mustContain(t, err, key, value)
	}

	r.pods.put(allocated("web", "uid-1"))
	_, err = r.serverOf(cfg).add(t.Context(), call)
	mustContain(t, err, "ovn-controller", "web.default")
	mustDel(t, r.server(), call)

	r.pods.fail(errors.New("cache is not started"))
	_, err = r.serverOf(cfg).add(t.Context(), call)
	mustContain(t, err, "cache is not started")
	r.pods.fail(nil)

	cfg.Ready = func() error { return errors.New("ovn0 is missing") }
	_, err = r.serverOf(cfg).add(t.Context(), call)
	mustContain(t, err, "cannot be attached yet", "ovn0 is missing")
	r.nothingLeft()
}

func TestAddWaitsForTheNode(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	r.pods.put(allocated("web", "uid-1"))
	cfg := r.config()
	ready := make(chan struct{})
	cfg.Ready = func() error { return errors.New("ovn0 is missing") }
	cfg.Readied = func() <-chan struct{} { return ready }
	s := r.serverOf(cfg)
	time.AfterFunc(100*time.Millisecond, func() { close(ready) })
	call := r.call(netnstest.New(t), first)
	mustAdd(t, s, call)
	mustDel(t, s, call)
}

// TestPodDeletedDuringAdd ends each of the waits at once.
func TestPodDeletedDuringAdd(t *testing.T) {
	r := newRig(t)
	s := r.server()
	call := r.call(netnstest.New(t), first)
	leaving := allocated("web", "uid-1")
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	for name, step := range map[string]struct{ begin, then func() }{
		"waiting for the address": {func() { r.pods.put(pending("web", "uid-1")) }, func() { r.pods.drop(pending("web", "uid-1")) }},
		"waiting for OVN":         {func() { r.pods.put(allocated("web", "uid-1")) }, func() { r.pods.put(leaving) }},
	} {
		step.begin()
		time.AfterFunc(200*time.Millisecond, step.then)
		began := time.Now()
		_, err := s.add(t.Context(), call)
		mustContain(t, err, "default/web", "deleted meanwhile")
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: ended after %s", name, took)
		}
	}
	mustDel(t, s, call)
	r.nothingLeft()
}

func TestRuntimeHangsUp(t *testing.T) {
	r := newRig(t)
	s := r.server()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := s.add(ctx, r.call(netnstest.New(t), first))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestOneCallAtATimePerPod: another call for the pod waits, one for another pod
// does not.
func TestOneCallAtATimePerPod(t *testing.T) {
	var turns turns
	done, err := turns.take(t.Context(), "Pod/a/a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := turns.take(t.Context(), "Pod/a/b")
	if err != nil {
		t.Fatal(err)
	}
	other()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = turns.take(short, "Pod/a/a")
	mustContain(t, err, "Pod/a/a")
	time.AfterFunc(20*time.Millisecond, done)
	again, err := turns.take(t.Context(), "Pod/a/a")
	if err != nil {
		t.Fatal(err)
	}
	again()
	if len(turns.taken) != 0 {
		t.Errorf("kept: %v", turns.taken)
	}
}

func TestStatus(t *testing.T) {
	r := newRig(t)
	cfg := r.config()
	var lacks error
	cfg.Ready = func() error { return lacks }
	s := r.serverOf(cfg)
	if _, err := s.status(t.Context(), cniwire.Request{}); err != nil {
		t.Error(err)
	}
	lacks = errors.New("ovn0 is missing")
	_, err := s.status(t.Context(), cniwire.Request{})
	mustContain(t, err, "ovn0 is missing")
	lacks = nil
	r.db.Kill()
	for range 1000 {
		if !r.vs.Connected() {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	_, err = s.status(t.Context(), cniwire.Request{})
	mustContain(t, err, "Open_vSwitch database")
}

// TestAddSurvivesARestartOfOVSDB: the server is killed while ADD waits for OVN.
func TestAddSurvivesARestartOfOVSDB(t *testing.T) {
	r := newRig(t)
	r.pods.put(allocated("web", "uid-1"))
	s := r.server()
	call := r.call(netnstest.New(t), first)
	time.AfterFunc(200*time.Millisecond, func() {
		r.db.Kill()
		r.db.Start()
		r.ovnController()
	})
	mustAdd(t, s, call)
	mustDel(t, s, call)
	r.nothingLeft()
}

var _ Switch = (*vswitch.Client)(nil)

// TestAddCost prints what the parts of an ADD take, with OVN as good as instant:
// our own share.
func TestAddCost(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	r.pods.put(allocated("web", "uid-1"))
	s := r.server()
	took := map[phase][]time.Duration{}
	for range 30 {
		call := r.call(netnstest.New(t), first)
		plan, err := s.address(t.Context(), call)
		for _, step := range []struct {
			name phase
			run  func() error
		}{
			{phaseConnect, func() error { return s.connect(t.Context(), plan) }},
			{phaseConfigure, func() error { return r.links.Configure(t.Context(), plan.Link) }},
			{phaseInstall, func() error { return s.installed(t.Context(), plan) }},
			{"DEL", func() error { _, err := s.del(t.Context(), call); return err }},
		} {
			began := time.Now()
			if err := errors.Join(err, step.run()); err != nil {
				t.Fatal(err)
			}
			took[step.name] = append(took[step.name], time.Since(began))
		}
	}
	for _, name := range []phase{phaseConnect, phaseConfigure, phaseInstall, "DEL"} {
		slices.Sort(took[name])
		t.Logf("%s: p50 %s, max %s", name, took[name][15], took[name][29])
	}
}
