package kernel_test

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// TestDetours: the three laws, beside a stranger's rule and route.
func TestDetours(t *testing.T) {
	client := node(t)
	netnstest.IP(t, "rule add fwmark 0x1 lookup 158 priority 99")
	looks := func() string {
		var out []string
		for _, command := range []string{"-4 rule show", "-6 rule show", "-4 route show table all proto 158", "-6 route show table all proto 158"} {
			text, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput()
			if err != nil {
				t.Fatalf("ip %s: %v %s", command, err, text)
			}
			out = append(out, string(text))
		}
		return strings.Join(out, "")
	}
	bare := looks()
	want := wanted()
	apply(t, client, want)
	before := looks()
	want.Detours = []host.Detour{
		{Link: "ovn0", Gateway: netip.MustParseAddr("100.64.0.1")},
		{Link: "ovn0", Gateway: netip.MustParseAddr("fd00:100:64::1")},
	}
	if changed := apply(t, client, want); changed != 4 {
		t.Errorf("%d changes, not two routes and two rules", changed)
	}
	for _, part := range []string{"0x200000/0x200000 lookup 158", "default via 100.64.0.1 dev ovn0", "default via fd00:100:64::1 dev ovn0"} {
		if !strings.Contains(looks(), part) {
			t.Errorf("no %q in\n%s", part, looks())
		}
	}
	if changed := apply(t, client, want); changed != 0 {
		t.Errorf("second apply changed %d things", changed)
	}
	want.Detours[0].Gateway = netip.MustParseAddr("100.64.0.9")
	if changed := apply(t, client, want); changed != 1 || !strings.Contains(looks(), "default via 100.64.0.9 dev ovn0") {
		t.Errorf("%d changes:\n%s", changed, looks())
	}
	if apply(t, client, wanted()); looks() != before {
		t.Errorf("without detours:\n%s\nnot\n%s", looks(), before)
	}
	if apply(t, client, host.Network{}); looks() != bare {
		t.Errorf("nothing of ours:\n%s\nnot\n%s", looks(), bare)
	}
}
