package standby

import (
	"fmt"
	"strings"
	"testing"

	"hawser/internal/host"
)

// met reads "a+b@0 b+c@7".
func met(t *testing.T, text string) (meetings []host.Meeting) {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		var m host.Meeting
		names, vlan, _ := strings.Cut(word, "@")
		a, b, _ := strings.Cut(names, "+")
		if _, err := fmt.Sscan(vlan, &m.VLAN); err != nil {
			t.Fatal(err)
		}
		m.NICs = [2]string{a, b}
		meetings = append(meetings, m)
	}
	return meetings
}

// uplinks reads "a b- c*": - has no carrier, * is in the bridge.
func uplinks(text string) (all []Uplink) {
	for word := range strings.FieldsSeq(text) {
		all = append(all, Uplink{NIC: word[:1], Carrier: !strings.Contains(word, "-"), Joined: strings.Contains(word, "*")})
	}
	return all
}

func TestChoose(t *testing.T) {
	for name, c := range map[string]struct{ have, meetings, mute, want string }{
		"one":                         {"a", "", "", "a Active"},
		"separate":                    {"a b", "", "", "a Active, b Active"},
		"the later one stands by":     {"a b", "a+b@0", "", "a Active, b Standby for a"},
		"in a VLAN":                   {"a b", "a+b@7", "", "a Active, b Standby for a in 7"},
		"who takes part goes on":      {"a b*", "a+b@0", "", "a Standby for b, b Active"},
		"both in: the later leaves":   {"a* b*", "a+b@0", "", "a Active, b Standby for a"},
		"by way of a third":           {"a b c", "a+b@0 b+c@0", "", "a Active, b Standby for a, c Standby for a"},
		"a third in another VLAN":     {"a b c", "a+b@1 b+c@2", "", "a Active, b Standby for a in 1, c Active"},
		"two pairs":                   {"a b c d", "a+c@0 b+d@0", "", "a Active, b Active, c Standby for a, d Standby for b"},
		"the active one is unplugged": {"a-* b", "a+b@0", "", "a Down for b, b Active"},
		"unplugged, no rival":         {"a-* b*", "", "", "a Down and in, b Active"},
		"never plugged in":            {"a- b", "", "", "a Down, b Active"},
		"plugged in again":            {"a b*", "a+b@0", "", "a Standby for b, b Active"},
		"not searched yet":            {"a* b", "", "b", "a Active, b Standby"},
		"not searched, in already":    {"a* b*", "", "b", "a Active, b Active"},
		"nobody can be searched":      {"a b", "", "a b", "a Active, b Standby"},
		"in, and all unplugged":       {"a-* b-*", "a+b@0", "", "a Down and in, b Down for a"},
		"nobody has carrier":          {"a- b-", "", "", "a Down, b Down"},
		"mute, and a known rival":     {"a* b*", "a+b@0", "a", "a Standby for b, b Active"},
	} {
		t.Run(name, func(t *testing.T) {
			found := host.LoopFindings{Meetings: met(t, c.meetings), Mute: map[string]string{}}
			for nic := range strings.FieldsSeq(c.mute) {
				found.Mute[nic] = "no permission"
			}
			if got := text(Choose(uplinks(c.have), found)); got != c.want {
				t.Errorf("chosen: %s, want %s", got, c.want)
			}
		})
	}
}

// TestAlone: the first with carrier takes part, and goes on when another comes back.
func TestAlone(t *testing.T) {
	for have, want := range map[string]string{
		"a b c":   "a Active, b Standby for a, c Standby for a",
		"a- b c":  "a Down for b, b Active, c Standby for b",
		"a b* c":  "a Standby for b, b Active, c Standby for b",
		"a-* b c": "a Down for b, b Active, c Standby for b",
		"a- b-":   "a Down, b Down",
	} {
		if got := text(Choose(uplinks(have), Alone([]string{"a", "b", "c"}))); got != want {
			t.Errorf("%s: chosen: %s, want %s", have, got, want)
		}
	}
}

func text(roles []Role) string {
	var out []string
	for _, r := range roles {
		line := r.NIC + " " + string(r.State)
		if r.Join != (r.State == "Active") {
			line += " and in"
		}
		if r.Meets != "" {
			line += " for " + r.Meets
		}
		if r.VLAN != 0 {
			line += fmt.Sprintf(" in %d", r.VLAN)
		}
		out = append(out, line)
	}
	return strings.Join(out, ", ")
}

// TestOnlyOne: of those that meet, whatever is known of whatever NICs, one at most
// is in the bridge, and of those with carrier one is.
func TestOnlyOne(t *testing.T) {
	meetings := met(t, "a+b@0 b+c@0 c+d@3")
	for bits := range 1 << 12 {
		var have []Uplink
		mute := map[string]string{}
		for i, nic := range []string{"a", "b", "c", "d"} {
			have = append(have, Uplink{NIC: nic, Carrier: bits>>(3*i)&1 == 0, Joined: bits>>(3*i)&2 == 0})
			if bits>>(3*i)&4 != 0 {
				mute[nic] = "x"
			}
		}
		check(t, have, host.LoopFindings{Meetings: meetings, Mute: mute})
	}
}

func check(t *testing.T, have []Uplink, found host.LoopFindings) {
	t.Helper()
	roles, carrying, plugged := Choose(have, found), 0, 0
	for i, r := range roles {
		if r.Join && have[i].Carrier {
			carrying++
		}
		if have[i].Carrier {
			plugged++
		}
		for _, other := range roles[:i] {
			_, meets := meet(r.NIC, other.NIC, found.Meetings)
			if meets && r.Join && other.Join {
				t.Errorf("%+v: %s", have, text(roles))
			}
		}
	}
	if plugged > 0 && carrying == 0 {
		t.Errorf("nobody takes part: %+v: %s", have, text(roles))
	}
}
