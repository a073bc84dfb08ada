package uplink

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// goesOn wants what stands to be looked after, and pods to find it.
func (s *stage) goesOn(when string) {
	s.Helper()
	before := s.machine.followed
	s.machine.behind = host.Behind{}
	s.reconcile()
	if s.machine.followed == before || len(s.machine.behind.Stations) != 1 {
		s.Errorf("%s: the NIC is not followed, or pods are not told of: %+v", when, s.machine.behind)
	}
	if mtu, err := s.uplinks.MTU("lan"); mtu != 1500 || err != nil {
		s.Errorf("%s: MTU %d, %v", when, mtu, err)
	}
	if s.machine.undone != 0 {
		s.Errorf("%s: %d steps were undone", when, s.machine.undone)
	}
}

// TestWhatStandsIsLookedAfter while another plan waits, is a dry run or refused, and
// while Open vSwitch is away.
func TestWhatStandsIsLookedAfter(t *testing.T) {
	s := joined(t, podIn("a", "lan", "0", "02:00:00:00:00:02"))
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.TrustPods, p.Spec.ApprovedPlan = true, "" })
	s.goesOn("waiting")
	if status := s.status("lan.n1"); status.Phase != kubeovnv1.PhaseWaiting || status.Interfaces[0].State != kubeovnv1.UplinkActive {
		t.Errorf("%+v", status)
	}
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.DryRun = true })
	s.goesOn("dry run")
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.Interfaces = []string{"typo"} })
	s.goesOn("refused")
	s.machine.connected = false
	s.goesOn("without Open vSwitch")
}

// TestSettingsAreChangedInPlace: nothing is undone, also where the change fails.
func TestSettingsAreChangedInPlace(t *testing.T) {
	s := joined(t, podIn("a", "lan", "0", "02:00:00:00:00:02"))
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.TrustPods = true })
	s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
	s.approve("lan.n1")
	s.machine.fail[host.ActionLoad] = errors.New("no")
	if _, err := s.uplinks.Reconcile(t.Context(), reconcile.Request{}); err == nil || s.machine.undone != 0 {
		t.Errorf("%v, %d undone", err, s.machine.undone)
	}
	if _, err := s.uplinks.MTU("lan"); err != nil {
		t.Error(err)
	}
	delete(s.machine.fail, host.ActionLoad)
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	s.goesOn("changed")
	if !strings.Contains(strings.Join(s.machine.done, "; "), "load programs of eth0, pods may be routers") {
		t.Errorf("done %v", s.machine.done)
	}
}

// loseJournal is somebody's rm -r.
func (s *stage) loseJournal() {
	s.Helper()
	files, err := os.ReadDir(s.journal)
	for _, file := range files {
		err = errors.Join(err, os.Remove(s.journal+"/"+file.Name()))
	}
	if err != nil || len(files) == 0 {
		s.Fatalf("%v: %v", files, err)
	}
	s.machine.pinned = []host.Uplink{host.SharedUplink("lan", "eth0")}
}

// TestALostJournalIsWrittenAgain, and what is wanted stays as it is.
func TestALostJournalIsWrittenAgain(t *testing.T) {
	s := joined(t, podIn("a", "lan", "0", "02:00:00:00:00:02"))
	s.told()
	done := slices.Clone(s.machine.done)
	s.loseJournal()
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.ApprovedPlan = "" })
	s.goesOn("journal lost")
	if s.expect("lan.n1", kubeovnv1.PhaseReady, ""); !slices.Equal(done, s.machine.done) {
		t.Errorf("done %v instead of %v", s.machine.done, done)
	}
	if told := s.told(); strings.Count(told, "Warning Mended the node's journal of what was done to eth0 was gone") != 1 {
		t.Errorf("told %q", told)
	}
	if entries, err := s.uplinks.Edges.Journal.Entries(); err != nil || !entries["lan"].Settled {
		t.Errorf("%+v, %v", entries, err)
	}
}

// TestWhatNobodyKnowsIsSwept: neither a journal nor a part explains it.
func TestWhatNobodyKnowsIsSwept(t *testing.T) {
	for name, sweep := range map[string]func(*stage){
		"reconciler": func(s *stage) { s.reconcile() },
		"uninstallation": func(s *stage) {
			if err := s.uplinks.Leave(s.Context()); err != nil {
				s.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := joined(t)
			s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Finalizers = nil })
			var gone kubeovnv1.ProviderNetworkNode
			gone.Name = "lan.n1"
			if err := s.api.Delete(t.Context(), &gone); err != nil {
				t.Fatal(err)
			}
			s.loseJournal()
			s.uplinks = &Uplinks{
				Node: "n1", Options: s.uplinks.Options, Client: s.api, Events: s.events, Edges: s.uplinks.Edges,
				Userspace: s.uplinks.Userspace, Now: s.uplinks.Now,
			}
			if sweep(s); len(s.machine.done) != 0 || s.machine.kept != nil {
				t.Errorf("left on the host: %v, %v", s.machine.done, s.machine.kept)
			}
		})
	}
}
