package uplink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// childEnv has the test binary attach an uplink, so that it can be killed.
const childEnv = "HAWSER_TEST_ATTACH"

// order is what the child has to do.
type order struct {
	Options Options
	Plan    []host.Step
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		if err := attachForEver(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// attachForEver does and undoes the plan until it is killed.
func attachForEver(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	client, err := Open(o.Options)
	if err != nil {
		return err
	}
	for {
		for _, step := range o.Plan {
			if err := client.Do(context.Background(), step); err != nil {
				return err
			}
		}
		for i := range o.Plan {
			if err := client.Undo(context.Background(), o.Plan[len(o.Plan)-1-i]); err != nil {
				return err
			}
		}
	}
}

// TestKilledAfterEveryStep: whoever comes next brings it to an end, both ways.
func TestKilledAfterEveryStep(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		before := r.snapshot()
		for killed := range len(r.plan) + 1 {
			for _, forward := range []bool{true, false} {
				for i := range killed {
					r.must(r.step(i))
				}
				r.restart()
				r.recover(forward, fmt.Sprintf("killed after %d steps", killed), before)
			}
		}
	})
}

// TestUndoingKilledAfterEveryStep is the same on the way back.
func TestUndoingKilledAfterEveryStep(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		before := r.snapshot()
		for killed := range len(r.plan) + 1 {
			for _, forward := range []bool{true, false} {
				r.do()
				for i := range killed {
					r.must(r.client.Undo(t.Context(), r.plan[len(r.plan)-1-i]))
				}
				r.restart()
				r.recover(forward, fmt.Sprintf("killed after undoing %d steps", killed), before)
			}
		}
	})
}

// TestKilledAnywhere kills a real process with -9 in the midst of a step.
func TestKilledAnywhere(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		before := r.snapshot()
		for i := range r.plan {
			r.plan[i].Before = r.before(i)
		}
		noted := append([]host.Step(nil), r.plan...)
		for round := range 16 {
			copy(r.plan, noted)
			r.killChild(time.Duration(15+7*round) * time.Millisecond)
			r.recover(round%2 == 0, fmt.Sprintf("killed in round %d", round), before)
		}
	})
}

func (r *rig) before(i int) string {
	r.t.Helper()
	text, err := r.client.Before(r.t.Context(), r.plan[i])
	r.must(err)
	return text
}

func (r *rig) killChild(after time.Duration) {
	r.t.Helper()
	text, err := json.Marshal(order{Options: r.client.options, Plan: r.plan})
	r.must(err)
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), childEnv+"="+string(text))
	var stderr bytes.Buffer
	child.Stderr = &stderr
	r.must(child.Start())
	time.Sleep(after)
	r.must(child.Process.Kill())
	if err := child.Wait(); err == nil || stderr.Len() > 0 {
		r.t.Fatalf("the child was not killed but ended: %v: %s", err, stderr.String())
	}
}

// restart is another process, with nothing but what the kernel and the journal
// hold.
func (r *rig) restart() {
	r.t.Helper()
	r.client.Close()
	client, err := Open(r.client.options)
	r.must(err)
	r.client = client
	r.t.Cleanup(client.Close)
}

// recover brings the plan to an end, looks at it, and undoes it.
func (r *rig) recover(forward bool, when, before string) {
	r.t.Helper()
	if forward {
		r.do()
		if state, err := r.client.State(r.t.Context(), r.uplink); err != nil || !state.Attached() {
			r.t.Fatalf("%s: state is %+v (%v)", when, state, err)
		}
	}
	r.undo()
	if after := r.snapshot(); after != before {
		r.t.Fatalf("%s: was\n%s\nis\n%s", when, before, after)
	}
}

// TestUpgrade replaces the programs of another build under traffic. What is known
// of stations stays, and so do counters.
func TestUpgrade(t *testing.T) {
	for name, options := range hookings {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options)
			w.join()
			w.reach("pod to router", w.pod, routerIP)
			old := w.programIDs()
			pings := newPinger(t, w.pod, routerIP)
			if !pings.first() {
				t.Fatal("no answer from the router")
			}
			counted := w.counters().SwitchToWire.Frames
			stop := steady(pings)
			for range 5 {
				w.pretendOld()
				w.restart()
				w.do()
			}
			stop()
			if lost := pings.lost(); lost != 0 {
				t.Errorf("%d of %d are lost", lost, pings.sent-1000)
			}
			if w.programIDs() == old {
				t.Error("the programs were not replaced")
			}
			if got := w.counters().SwitchToWire.Frames; got <= counted {
				t.Errorf("counted %d before and %d after", counted, got)
			}
			if changed, err := w.client.Keep(t.Context(), w.uplink, host.Behind{Stations: []host.Station{{MAC: macIn(t, w.pod)}}}); err != nil || changed != 0 {
				t.Errorf("%d stations were forgotten (%v)", changed, err)
			}
		})
	}
}

// pretendOld has what is loaded be of another build.
func (r *rig) pretendOld() {
	r.t.Helper()
	opened, err := r.client.openMap(r.uplink, mapSettings)
	r.must(err)
	defer opened.Close()
	have, err := r.client.readSettings(r.uplink)
	r.must(err)
	have.Source[0]++
	r.must(writeSettings(opened, have))
}

// TestMapsOfAnotherShape are replaced, as those of a build that keeps other things.
func TestMapsOfAnotherShape(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		attached(t, r)
		for _, name := range []string{"heard_wire", mapOwned, mapSettings} {
			other, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1})
			r.must(err)
			r.must(pinOver(other, r.client.pin(r.uplink, name)))
			other.Close()
		}
		r.do()
		r.must(r.client.Own(r.uplink, host.Station{MAC: pod}))
		r.want("OVS", wire, frame{from: outside, to: pod})
		r.want("wire", ovs, frame{from: pod, to: outside})
	})
}

// TestForeignFiltersStay: others' filters on the NIC run and remain, and with
// them the qdisc, also one that came after us.
func TestForeignFiltersStay(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			forEachHook(t, func(t *testing.T, r *rig) {
				add := func() {
					run(t, "tc", "qdisc", "replace", "dev", "nic", "clsact")
					for _, side := range []string{"ingress", "egress"} {
						run(t, "tc", strings.Fields("filter add dev nic "+side+" protocol all pref 7 u32 match u32 0 0")...)
					}
				}
				if when == "before" {
					add()
				}
				r.listen()
				if when == "after" {
					add()
				}
				r.want("host OVS", wire, frame{from: outside, to: everybody})
				netnstest.IP(t, "link del host0")
				r.undo()
				for _, side := range []string{"ingress", "egress"} {
					left := run(t, "tc", "filter", "show", "dev", "nic", side)
					if !strings.Contains(left, "pref 7 u32") || strings.Contains(left, "bpf") {
						t.Errorf("left at %s are\n%s", side, left)
					}
				}
			})
		})
	}
}

// TestEmptyForeignQdiscStays although nothing hangs in it.
func TestEmptyForeignQdiscStays(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		run(t, "tc", "qdisc", "add", "dev", "nic", "clsact")
		r.do()
		r.undo()
		if left := run(t, "tc", "qdisc", "show", "dev", "nic"); !strings.Contains(left, "clsact") {
			t.Errorf("left is %s", left)
		}
	})
}

// TestIngressQdisc has no place for clsact beside it, which old kernels need.
func TestIngressQdisc(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		run(t, "tc", "qdisc", "add", "dev", "nic", "ingress")
		before := r.snapshot()
		r.must(r.step(0))
		r.must(r.step(1))
		err := r.step(2)
		if r.client.options.Legacy != (err != nil) || (err != nil && !strings.Contains(err.Error(), "tc qdisc del dev nic ingress")) {
			t.Errorf("error is %v", err)
		}
		r.undo()
		if after := r.snapshot(); after != before {
			t.Errorf("was\n%s\nis\n%s", before, after)
		}
	})
}

// TestPromiscOfOthersStays: the bit was set before us, and is set after us.
func TestPromiscOfOthersStays(t *testing.T) {
	r := newRig(t, Options{})
	netnstest.IP(t, "link set nic promisc on")
	r.do()
	r.undo()
	if on, err := r.client.isPromisc("nic"); err != nil || !on {
		t.Errorf("promisc is %v (%v)", on, err)
	}
}

// TestFailingSteps: what fails in the middle can be undone, and says what failed.
func TestFailingSteps(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		before := r.snapshot()
		r.must(r.step(0))
		if err := r.step(2); !errors.Is(err, errNotLoaded) {
			t.Errorf("error is %v", err)
		}
		r.must(r.step(1))
		// One of the three programs cannot be hung where it belongs.
		other, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}})
		r.must(err)
		r.must(pinOver(other, r.client.pin(r.uplink, programOVS)))
		other.Close()
		if err := r.step(2); err == nil || !strings.Contains(err.Error(), programOVS) {
			t.Errorf("error is %v", err)
		}
		r.undo()
		if after := r.snapshot(); after != before {
			t.Errorf("was\n%s\nis\n%s", before, after)
		}
	})
}
