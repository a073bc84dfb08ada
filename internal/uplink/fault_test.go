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

// TestSettingsAreChangedInPlace, those of a plan and the mark, under traffic: no
// frame is lost, and programs, counters and stations are what they were.
func TestSettingsAreChangedInPlace(t *testing.T) {
	for name, options := range hookings {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options)
			w.join()
			toRouter, toHost := newPinger(t, w.pod, routerIP), newPinger(t, w.pod, hostIP)
			if !toRouter.first() || !toHost.first() {
				t.Fatal("the pod reaches nobody")
			}
			programs, counted := w.programIDs(), w.counters().SwitchToWire.Frames
			stop := steady(toRouter, toHost)
			for i := range 20 {
				w.uplink.TrustPods, w.uplink.Mark = i%2 == 0, uint32(7+i)
				for i := range w.plan {
					w.plan[i].Uplink = w.uplink
				}
				w.do()
				if state, err := w.client.State(t.Context(), w.uplink); err != nil || !state.Attached() {
					t.Fatalf("state is %+v (%v)", state, err)
				}
			}
			stop()
			if a, b := toRouter.lost(), toHost.lost(); a+b != 0 {
				t.Errorf("%d and %d of %d are lost", a, b, toRouter.sent-1000)
			}
			if w.programIDs() != programs || w.counters().SwitchToWire.Frames <= counted {
				t.Errorf("the programs were replaced, or counted anew: %+v", w.counters())
			}
		})
	}
}

// TestPinsRemovedByHand, under traffic: the next look puts all back, and the host
// loses nothing.
func TestPinsRemovedByHand(t *testing.T) {
	for name, options := range hookings {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options)
			w.join()
			w.reach("pod to router", w.pod, routerIP)
			out, in := newPinger(t, nil, routerIP), newPinger(t, w.router, hostIP)
			if !out.first() || !in.first() {
				t.Fatal("host and router do not reach each other")
			}
			stop := steady(out, in)
			w.must(os.RemoveAll(w.client.options.Pins))
			if _, err := w.client.Follow(t.Context(), w.uplink); !errors.Is(err, errNotLoaded) {
				t.Errorf("error is %v", err)
			}
			w.do()
			w.must(w.client.Own(w.uplink, host.Station{MAC: macIn(t, w.pod)}))
			w.reach("pod to router", w.pod, routerIP)
			stop()
			if a, b := out.lost(), in.lost(); a+b != 0 {
				t.Errorf("lost are %d of %d to the router, %d of %d to the host", a, out.sent-1000, b, in.sent-1000)
			}
		})
	}
}

// TestALostJournal: what the NIC was before us is known still, and comes back; of
// another NIC nothing is known.
func TestALostJournal(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		for _, promisc := range []string{"on", "off"} {
			netnstest.IP(t, "link set nic promisc %s", promisc)
			run(t, "tc", "qdisc", "add", "dev", "nic", "clsact")
			before := r.snapshot()
			r.do()
			for i := range r.plan {
				r.plan[i].Before = ""
			}
			r.restart()
			r.do() // which asks anew what was before
			r.undo()
			if after := r.snapshot(); after != before {
				t.Errorf("was\n%s\nis\n%s", before, after)
			}
			run(t, "tc", "qdisc", "del", "dev", "nic", "clsact")
		}
		r.do()
		netnstest.IP(t, "link del nic")
		r.wire.Cable("nic", "far")
		if got := r.before(3); strings.Contains(got, "promisc") {
			t.Errorf("the new NIC was %s", got)
		}
	})
}

// TestARenamedNIC is left as it was, by the name that it has now.
func TestARenamedNIC(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		before := r.snapshot()
		r.do()
		netnstest.IP(t, "link set nic name other")
		netnstest.IP(t, "link add nic type bridge")
		netnstest.IP(t, "link set nic promisc on") // somebody else's now
		if _, err := r.client.Follow(t.Context(), r.uplink); err == nil {
			t.Error("another device was followed")
		}
		r.undo()
		if !r.isPromisc() {
			t.Error("another device of that name was changed")
		}
		netnstest.IP(t, "link del nic")
		netnstest.IP(t, "link set other name nic")
		if after := r.snapshot(); after != before {
			t.Errorf("was\n%s\nis\n%s", before, after)
		}
	})
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
	if !r.isPromisc() {
		t.Error("promisc was taken away")
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
