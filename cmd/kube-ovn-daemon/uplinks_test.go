package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/kernel"
	"hawser/internal/netmanager"
	nodeplan "hawser/internal/nodeplan/uplink"
	"hawser/internal/steps"
	"hawser/internal/takeover"
	"hawser/internal/uplink"
	"hawser/internal/vswitch"
	"hawser/test/netnstest"
	"hawser/test/ovntest"
)

// nobody is the NetworkManager of a host without one.
var nobody = netmanager.New("/no/bus", "/no/udev/rules.d")

// site is a host with a NIC, on which real edges work: kernel, OVSDB and eBPF.
type site struct {
	t       *testing.T
	db      *ovntest.Database
	links   *kernel.Client
	local   *vswitch.Client
	taps    *uplink.Client
	mover   *takeover.Client
	pins    string
	journal string
}

func newSite(t *testing.T) *site {
	t.Helper()
	netnstest.Enter(t)
	netnstest.New(t).Cable("nic", "far")
	netnstest.IP(t, "link set nic addrgenmode none")
	netnstest.IP(t, "addr flush dev nic")
	s := prepare(t, ovntest.VSwitch(t))
	s.db.VSCtl("set", "open", ".", "external_ids:ovn-bridge-mappings=physnet:br-ex")
	return s
}

// prepare opens the edges on the host that the test is in.
func prepare(t *testing.T, db *ovntest.Database) *site {
	t.Helper()
	s := &site{t: t, db: db, journal: t.TempDir(), pins: t.TempDir()}
	must(t, unix.Mount("bpf", s.pins, "bpf", 0, ""))
	t.Cleanup(func() { must(t, unix.Unmount(s.pins, unix.MNT_DETACH)) })
	s.open(t.Context(), s.db.Endpoint, s.pins)
	t.Cleanup(func() { s.links.Close(); s.local.Close(); s.taps.Close(); s.mover.Close() })
	must(t, s.taps.Supported())
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) open(ctx context.Context, endpoint, pins string) {
	var err [4]error
	s.links, err[0] = kernel.Open()
	s.local, err[1] = vswitch.Dial(ctx, endpoint)
	s.taps, err[2] = uplink.Open(uplink.Options{Pins: pins + "/hawser"})
	s.mover, err[3] = takeover.Open(takeover.Options{Boot: "this boot"})
	must(s.t, errors.Join(err[:]...))
}

// plan is what the planner wants of the NIC as it is.
func (s *site) plan(attachment kubeovnv1.Attachment) host.Plan {
	s.t.Helper()
	snapshot, err := s.links.Snapshot(s.t.Context())
	must(s.t, err)
	part := &kubeovnv1.ProviderNetworkNode{Spec: kubeovnv1.ProviderNetworkNodeSpec{
		ProviderNetwork: "lan", Node: "n1", Interfaces: []string{"nic"}, Attachment: attachment,
	}}
	result, problem := nodeplan.Plan(nodeplan.Input{Options: nodeplan.Options{Mark: host.UplinkMark}, Node: part, Host: snapshot})
	if problem != nil {
		s.t.Fatal(problem)
	}
	return result.Plan
}

// world is all of the host that a plan may touch, as text.
func (s *site) world() string {
	s.t.Helper()
	out := s.db.Dump("Open_vSwitch", "bridges", "external_ids") + s.db.Dump("Bridge") + s.db.Dump("Port") + s.db.Dump("Interface")
	for _, command := range []string{"ip -d link", "ip addr", "tc qdisc show dev nic", "tc filter show dev nic ingress", "find " + s.pins + " -mindepth 1"} {
		words := strings.Fields(command)
		text, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		if err != nil {
			s.t.Fatalf("%s: %v\n%s", command, err, text)
		}
		out += "# " + command + "\n" + string(text)
	}
	return out
}

// settle is the work of an agent that starts and that nothing interrupts. Its
// connection is new: an older one may not have heard yet what a killed agent wrote
// last.
func (s *site) settle(want host.Plan) {
	s.t.Helper()
	local, err := vswitch.Dial(s.t.Context(), s.db.Endpoint)
	must(s.t, err)
	defer local.Close()
	journal, err := steps.Open(s.journal, "this boot", edgesOf(s.links, local, s.taps, s.mover, nobody))
	must(s.t, err)
	must(s.t, journal.Settle(s.t.Context(), "lan", want))
}

// What a doomed process is told.
const (
	envDie, envPlan, envDB, envPins, envJournal = "DIE_AT", "PLAN", "OVSDB", "PINS", "JOURNAL"
)

// settleAndDie has another process settle a plan and kill itself, with signal 9,
// after its n-th call of an edge. It tells whether there was an n-th.
func (s *site) settleAndDie(attachment string, n int) bool {
	s.t.Helper()
	doomed := exec.Command(os.Args[0], "-test.run=^TestDoomed$", "-test.count=1")
	doomed.Env = append(os.Environ(), envDie+"="+strconv.Itoa(n), envPlan+"="+attachment,
		envDB+"="+s.db.Endpoint, envPins+"="+s.pins, envJournal+"="+s.journal)
	out, err := doomed.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// TestDoomed is no test but the other process.
func TestDoomed(t *testing.T) {
	if os.Getenv(envDie) == "" {
		t.Skip("it is started by TestAKillAtEveryStepOfAnUplink")
	}
	n, err := strconv.Atoi(os.Getenv(envDie))
	must(t, err)
	s := &site{t: t, journal: os.Getenv(envJournal)}
	s.open(t.Context(), os.Getenv(envDB), os.Getenv(envPins))
	calls := 0
	edges := edgesOf(s.links, s.local, s.taps, s.mover, nobody)
	for action, edge := range edges {
		edges[action] = mortal{Edge: edge, calls: &calls, dies: n}
	}
	journal, err := steps.Open(s.journal, "this boot", edges)
	must(t, err)
	var want host.Plan
	if attachment := os.Getenv(envPlan); attachment != "" {
		want = s.plan(kubeovnv1.Attachment(attachment))
	}
	must(t, journal.Settle(t.Context(), "lan", want))
}

// mortal kills its process after a call.
type mortal struct {
	steps.Edge
	calls *int
	dies  int
}

func (m mortal) after(err error) error {
	if *m.calls++; *m.calls == m.dies {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	}
	return err
}

func (m mortal) Do(ctx context.Context, step host.Step) error {
	return m.after(m.Edge.Do(ctx, step))
}

func (m mortal) Undo(ctx context.Context, step host.Step) error {
	return m.after(m.Edge.Undo(ctx, step))
}

// TestAKillAtEveryStepOfAnUplink, while it is attached and while it is detached:
// the next agent finishes what was begun or takes it back, and in the end the
// host is what it was.
func TestAKillAtEveryStepOfAnUplink(t *testing.T) {
	for _, attachment := range []kubeovnv1.Attachment{kubeovnv1.AttachmentShared, kubeovnv1.AttachmentPort} {
		t.Run(string(attachment), func(t *testing.T) {
			s := newSite(t)
			before := s.world()
			for n := 1; s.settleAndDie(string(attachment), n); n++ {
				s.settle(host.Plan{})
				s.mustBe(before, fmt.Sprintf("killed after step %d, taken back", n))
				if !s.settleAndDie(string(attachment), n) {
					t.Fatal("it did not die the second time")
				}
				s.settle(s.plan(attachment))
				s.mustStand(attachment)
				if !s.settleAndDie("", n) {
					t.Fatal("detaching has fewer steps")
				}
				s.settle(host.Plan{})
				s.mustBe(before, fmt.Sprintf("killed after %d steps back", n))
			}
			s.mustStand(attachment)
			s.settle(host.Plan{})
			s.mustBe(before, "at the end")
		})
	}
}

func (s *site) mustBe(before, when string) {
	s.t.Helper()
	if diff := cmp.Diff(before, s.world()); diff != "" {
		s.t.Fatalf("%s: the host is not what it was:\n%s", when, diff)
	}
}

func (s *site) mustStand(attachment kubeovnv1.Attachment) {
	s.t.Helper()
	up := s.plan(attachment).Steps[0].Uplink
	if got := s.db.VSCtl("list-ports", up.Bridge); strings.TrimSpace(got) != up.Member() {
		s.t.Fatalf("ports of %s: %s", up.Bridge, got)
	}
	if got := s.db.VSCtl("get", "open", ".", "external_ids:ovn-bridge-mappings"); !strings.Contains(got, "physnet:br-ex,lan:br-lan") {
		s.t.Fatalf("mappings %s", got)
	}
	if attachment != kubeovnv1.AttachmentShared {
		return
	}
	state, err := s.taps.State(s.t.Context(), up)
	if err != nil || !state.Attached() {
		s.t.Fatalf("%+v, %v", state, err)
	}
}
