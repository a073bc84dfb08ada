package uplink

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

func indexOf(device string) (int, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return 0, err
	}
	return link.Index, nil
}

// snapshot is all that the kernel tells about the host's links, tc and pins,
// without counters and clocks.
func (r *rig) snapshot() string {
	r.t.Helper()
	var links []map[string]any
	r.must(json.Unmarshal([]byte(run(r.t, "ip", "-j", "-d", "link")), &links))
	for _, link := range links {
		delete(link, "ifindex") // of a pair that is made anew
		delete(link, "link_index")
		delete(link, "address")
	}
	text, err := json.MarshalIndent(links, "", " ")
	r.must(err)
	out := string(text) + run(r.t, "ip", "addr", "show", "nic")
	for _, what := range []string{"qdisc show dev nic", "filter show dev nic ingress", "filter show dev nic egress"} {
		out += run(r.t, "tc", strings.Fields(what)...)
	}
	return out + strings.Join(r.pinned(), "\n")
}

func (r *rig) pinned() (found []string) {
	r.t.Helper()
	r.must(filepath.WalkDir(filepath.Dir(r.client.options.Pins), func(path string, _ os.DirEntry, err error) error {
		found = append(found, path)
		return err
	}))
	return found
}

// TestThreeLaws: done as wanted; done twice, nothing changes; undone, all is as
// it was, and what is others' was never touched.
func TestThreeLaws(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		netnstest.IP(t, "addr add 192.0.2.1/24 dev nic")
		before := r.snapshot()
		r.do()
		state, err := r.client.State(t.Context(), r.uplink)
		r.must(err)
		if !state.Attached() || !state.Carrier || len(state.Limits) > 0 || state.Hook != hookOf(r.client.options) {
			t.Errorf("state is %+v", state)
		}
		programs := r.programIDs()
		done := r.snapshot()
		r.do()
		if again := r.snapshot(); again != done || r.programIDs() != programs {
			t.Errorf("done twice, was\n%s\nis\n%s", done, again)
		}
		if names, err := r.client.Pinned(); err != nil || len(names) != 1 || names[0] != host.SharedUplink("lan", "nic") {
			t.Errorf("pinned are %v (%v)", names, err)
		}
		r.undo()
		if after := r.snapshot(); after != before {
			t.Errorf("was\n%s\nis\n%s", before, after)
		}
		r.undo()
	})
}

func hookOf(options Options) string {
	if options.Legacy {
		return "clsact"
	}
	return "tcx"
}

// programIDs tells whether a program was loaded anew.
func (r *rig) programIDs() (ids [3]uint32) {
	r.t.Helper()
	for i, name := range programs {
		program, err := r.client.openProgram(r.uplink, name)
		r.must(err)
		id, err := programID(program)
		r.must(err)
		program.Close()
		ids[i] = uint32(id)
	}
	return ids
}

// TestPairIsSilent: neither end has an address or says anything by itself.
func TestPairIsSilent(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		r.do()
		for _, end := range []string{r.uplink.Tap, r.uplink.Wire} {
			shown := run(t, "ip", "addr", "show", "dev", end)
			if !strings.Contains(shown, "NOARP") || strings.Contains(shown, "inet") || !strings.Contains(shown, "LOWER_UP") {
				t.Errorf("%s is %s", end, shown)
			}
			if got := readFile(t, "/proc/sys/net/ipv6/conf/"+end+"/disable_ipv6"); got != "1" {
				t.Errorf("disable_ipv6 of %s is %s", end, got)
			}
		}
	})
}

// TestForeignDevicesOfOurNamesStay.
func TestForeignDevicesOfOurNamesStay(t *testing.T) {
	r := newRig(t, Options{})
	netnstest.IP(t, "link add %s type bridge", r.uplink.Tap)
	err := r.client.Do(t.Context(), r.plan[0])
	if err == nil || !strings.Contains(err.Error(), "no end of our veth pair") {
		t.Errorf("error is %v", err)
	}
	r.undo()
	if _, err := indexOf(r.uplink.Tap); err != nil {
		t.Errorf("the foreign device is gone: %v", err)
	}
}

// TestMissingNIC is told as such, and undoing needs none.
func TestMissingNIC(t *testing.T) {
	r := newRig(t, Options{})
	r.do()
	netnstest.IP(t, "link del nic")
	if _, err := r.client.State(t.Context(), r.uplink); !isMissing(err) {
		t.Errorf("error is %v", err)
	}
	if _, err := r.client.Follow(t.Context(), r.uplink); !isMissing(err) {
		t.Errorf("error is %v", err)
	}
	r.undo()
	if _, err := os.Stat(r.client.options.Pins); err == nil {
		t.Errorf("left are %v", r.pinned())
	}
	// Plugged in again, it has another index, and all is done anew.
	r.wire.Cable("nic", "far")
	r.do()
	if state, err := r.client.State(t.Context(), r.uplink); err != nil || !state.Attached() {
		t.Errorf("state is %+v (%v)", state, err)
	}
}

// TestReplugWithoutUndoing: the pins of the old NIC are in the way of nothing.
func TestReplugWithoutUndoing(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		r.do()
		netnstest.IP(t, "link del nic")
		r.wire.Cable("nic", "far")
		for i := range r.plan {
			r.plan[i].Before = ""
		}
		r.do()
		if state, err := r.client.State(t.Context(), r.uplink); err != nil || !state.Attached() {
			t.Errorf("state is %+v (%v)", state, err)
		}
	})
}

func isMissing(err error) bool {
	return err != nil && strings.Contains(err.Error(), host.ErrMissing.Error())
}

// TestNamesWithDots can be pinned, and read back.
func TestNamesWithDots(t *testing.T) {
	r := newRig(t, Options{})
	netnstest.IP(t, "link set nic down")
	netnstest.IP(t, "link set nic name nic.100")
	r.uplink = uplinkOf("a.b", "nic.100")
	r.plan = planOf(r.uplink)
	r.do()
	if names, err := r.client.Pinned(); err != nil || len(names) != 1 || names[0] != host.SharedUplink("a.b", "nic.100") {
		t.Errorf("pinned are %v (%v)", names, err)
	}
	netnstest.IP(t, "link set nic.100 up")
}

// TestUnsupported says what is missing and what to do.
func TestUnsupported(t *testing.T) {
	netnstest.Enter(t)
	client, err := Open(Options{Pins: filepath.Join(t.TempDir(), "hawser")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Supported(); err == nil || !strings.Contains(err.Error(), "mount -t bpf") {
		t.Errorf("error is %v", err)
	}
}
