package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/cmd/internal/program"
	agentuplink "hawser/internal/agent/uplink"
	"hawser/internal/host"
	"hawser/internal/loop"
	nodeplan "hawser/internal/nodeplan/uplink"
	"hawser/internal/steps"
	"hawser/internal/vswitch"
	"hawser/test/netnstest"
)

// operator plays the controller and whoever breaks things, on a site with the
// real reconciler and the real edges.
type operator struct {
	*site
	uplinks *agentuplink.Uplinks
	api     client.Client
	// before is called before each step that is done.
	before func(host.Step)
}

// watched calls the operator before a step.
type watched struct {
	steps.Edge
	operator *operator
}

func (w watched) Do(ctx context.Context, step host.Step) error {
	if w.operator.before != nil {
		w.operator.before(step)
	}
	return w.Edge.Do(ctx, step)
}

func newOperator(t *testing.T, attachment kubeovnv1.Attachment) *operator {
	t.Helper()
	return newSite(t).operator(false, kubeovnv1.ProviderNetworkNodeSpec{Interfaces: []string{"nic"}, Attachment: attachment})
}

// operator has one part of the node to bring about, on a site of either datapath.
func (s *site) operator(userspace bool, spec kubeovnv1.ProviderNetworkNodeSpec) *operator {
	s.t.Helper()
	ctrl.SetLogger(logr.Discard())
	scheme, err := program.Scheme()
	must(s.t, err)
	spec.ProviderNetwork, spec.Node = "lan", "n1"
	part := &kubeovnv1.ProviderNetworkNode{
		ObjectMeta: metav1.ObjectMeta{Name: "lan.n1", UID: "1", Finalizers: []string{kubeovnv1.Finalizer}}, Spec: spec,
	}
	o := &operator{site: s}
	o.api = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(part).WithObjects(part).Build()
	edges := edgesOf(o.links, o.local, o.taps, o.mover, nobody)
	for action, edge := range edges {
		edges[action] = watched{Edge: edge, operator: o}
	}
	journal, err := steps.Open(o.journal, "this boot", edges)
	must(s.t, err)
	o.uplinks = &agentuplink.Uplinks{
		Node: "n1", Options: nodeplan.Options{Mark: host.UplinkMark}, Client: o.api, Events: events.NewFakeRecorder(100),
		Edges: agentuplink.Edges{
			Kernel: o.links, Switch: vswitch.Uplinks{Client: o.local}, NetworkManager: nobody, Taps: o.taps, Prober: o.taps,
			Mover: o.mover, Journal: journal, Patrol: loop.NewPatrol(),
		},
		Userspace: func() bool { return userspace }, Now: time.Now,
	}
	return o
}

func (o *operator) reconcile() error {
	_, err := o.uplinks.Reconcile(o.t.Context(), reconcile.Request{})
	return err
}

func (o *operator) part() *kubeovnv1.ProviderNetworkNode {
	o.t.Helper()
	var part kubeovnv1.ProviderNetworkNode
	must(o.t, o.api.Get(o.t.Context(), client.ObjectKey{Name: "lan.n1"}, &part))
	return &part
}

// comesTo looks again until the part is in a phase: OVSDB may need a moment.
func (o *operator) comesTo(phase kubeovnv1.NodePhase, reason string) kubeovnv1.ProviderNetworkNodeStatus {
	o.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		err := o.reconcile()
		status := o.part().Status
		if err == nil && status.Phase == phase && status.Reason == reason {
			return status
		}
		select {
		case <-deadline:
			o.t.Fatalf("phase %s, reason %s instead of %s %s: %s (%v)", status.Phase, status.Reason, phase, reason, status.Message, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// approve lets what is planned be done.
func (o *operator) approve() {
	o.t.Helper()
	must(o.t, o.reconcile())
	part := o.part()
	part.Spec.ApprovedPlan = part.Status.PlanHash
	must(o.t, o.api.Update(o.t.Context(), part))
}

func (o *operator) joins() {
	o.t.Helper()
	o.approve()
	o.comesTo(kubeovnv1.PhaseReady, "")
	o.mustStand(o.part().Spec.Attachment)
}

func (o *operator) leaves() {
	o.t.Helper()
	must(o.t, o.api.Delete(o.t.Context(), o.part()))
	o.comesTo(kubeovnv1.PhaseReleased, "")
}

func (o *operator) rename(from, to string) {
	o.t.Helper()
	netnstest.IP(o.t, "link set %s name %s", from, to) // live, from Linux 6.2 on
}

// TestANICIsRenamed: its pods go on; it is found again by the old name, and left by
// whatever name it has.
func TestANICIsRenamed(t *testing.T) {
	o := newOperator(t, kubeovnv1.AttachmentShared)
	before := o.world()
	o.joins()
	stood := o.world()
	o.rename("nic", "lan0")
	if status := o.comesTo(kubeovnv1.PhasePending, kubeovnv1.ReasonInterfaceNotFound); !strings.Contains(status.Message, "stays as it is") {
		t.Error(status.Message)
	}
	o.rename("lan0", "nic")
	o.comesTo(kubeovnv1.PhaseReady, "")
	o.mustBe(stood, "renamed, and back")
	o.rename("nic", "lan0")
	part := o.part()
	part.Spec.Interfaces = []string{"lan0"}
	must(t, o.api.Update(t.Context(), part))
	o.approve()
	o.comesTo(kubeovnv1.PhaseReady, "")
	o.leaves()
	o.rename("lan0", "nic")
	o.mustBe(before, "renamed, joined anew by that name, and gone")
}

// TestANICIsReplugged: another device of that name joins by itself, and is left as it
// came.
func TestANICIsReplugged(t *testing.T) {
	o := newOperator(t, kubeovnv1.AttachmentShared)
	o.joins()
	netnstest.IP(t, "link del nic")
	o.comesTo(kubeovnv1.PhasePending, kubeovnv1.ReasonInterfaceNotFound)
	netnstest.New(t).Cable("nic", "far")
	netnstest.IP(t, "link set nic addrgenmode none")
	netnstest.IP(t, "addr flush dev nic")
	fresh := o.ofNIC()
	o.comesTo(kubeovnv1.PhaseReady, "")
	o.mustStand(kubeovnv1.AttachmentShared)
	o.leaves()
	if left := o.ofNIC(); left != fresh {
		t.Errorf("was\n%s\nis\n%s", fresh, left)
	}
	if pinned, err := o.taps.Pinned(); err != nil || len(pinned) != 0 {
		t.Errorf("pinned are %v (%v)", pinned, err)
	}
}

// ofNIC is what a NIC shows of being shared.
func (o *operator) ofNIC() string {
	o.t.Helper()
	out := ""
	for _, command := range []string{"ip -d addr show nic", "tc qdisc show dev nic", "tc filter show dev nic ingress"} {
		words := strings.Fields(command)
		text, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		must(o.t, err)
		out += string(text)
	}
	return out
}

// TestOVSGoesDuringTheAttach: the plan is taken back as far as it can be, the NIC is
// what it was, and all comes about once Open vSwitch is back.
func TestOVSGoesDuringTheAttach(t *testing.T) {
	o := newOperator(t, kubeovnv1.AttachmentShared)
	before, untouched := o.world(), o.ofNIC()
	o.before = func(step host.Step) {
		if step.Action == host.ActionJoin {
			o.db.Kill()
		}
	}
	o.approve()
	_ = o.reconcile() // it fails by the missing database, as the status tells
	o.before = nil
	if status := o.part().Status; status.Reason != kubeovnv1.ReasonOVSUnavailable || !strings.HasPrefix(status.Step, "add port") {
		t.Errorf("%+v", status)
	}
	if now := o.ofNIC(); now != untouched {
		t.Errorf("was\n%s\nis\n%s", untouched, now)
	}
	o.db.Start()
	o.comesTo(kubeovnv1.PhaseReady, "")
	o.mustStand(kubeovnv1.AttachmentShared)
	o.leaves()
	o.mustBe(before, "at the end")
}

// TestTheKernelRefusesEBPF: as one without the capability, or with a security module
// that forbids it.
func TestTheKernelRefusesEBPF(t *testing.T) {
	o := newOperator(t, kubeovnv1.AttachmentShared)
	before := o.world()
	o.approve()
	give := o.refuseEBPF()
	status := o.comesTo(kubeovnv1.PhaseRolledBack, kubeovnv1.ReasonRolledBack)
	give()
	if !strings.HasPrefix(status.Step, "load programs of nic") || !strings.Contains(status.Message, "operation not permitted") {
		t.Errorf("%+v", status)
	}
	o.mustBe(before, "refused")
}

// refuseEBPF takes from this thread, on which all runs, what loading needs.
func (o *operator) refuseEBPF() (giveBack func()) {
	o.t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var all, fewer [2]unix.CapUserData
	must(o.t, unix.Capget(&header, &all[0]))
	fewer = all
	for _, capability := range []int{unix.CAP_SYS_ADMIN, unix.CAP_BPF, unix.CAP_PERFMON} {
		fewer[capability/32].Effective &^= 1 << (capability % 32)
	}
	must(o.t, unix.Capset(&header, &fewer[0]))
	return func() { must(o.t, unix.Capset(&header, &all[0])) }
}

// TestTheJournalIsDeletedByHand: what is wanted stays as it is, and leaves the NIC as
// it was before us, also where nobody wants it any more.
func TestTheJournalIsDeletedByHand(t *testing.T) {
	for _, attachment := range []kubeovnv1.Attachment{kubeovnv1.AttachmentShared, kubeovnv1.AttachmentPort} {
		t.Run(string(attachment), func(t *testing.T) {
			o := newOperator(t, attachment)
			before := o.world()
			o.joins()
			stood := o.world()
			o.loseJournal()
			o.comesTo(kubeovnv1.PhaseReady, "")
			o.mustBe(stood, "adopted")
			o.loseJournal()
			part := o.part()
			part.Finalizers = nil
			must(t, o.api.Update(t.Context(), part))
			must(t, o.api.Delete(t.Context(), part))
			o.restart()
			must(t, o.reconcile())
			o.mustBe(before, "swept")
		})
	}
}

func (o *operator) loseJournal() {
	o.t.Helper()
	files, err := filepath.Glob(o.journal + "/*.json")
	must(o.t, errors.Join(err, os.Remove(files[0])))
}

// restart is another process, with the same edges.
func (o *operator) restart() {
	old := o.uplinks
	o.uplinks = &agentuplink.Uplinks{
		Node: old.Node, Options: old.Options, Client: old.Client, Events: old.Events, Edges: old.Edges,
		Userspace: old.Userspace, Now: old.Now,
	}
}
