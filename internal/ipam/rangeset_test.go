package ipam

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// TestParseRange covers what excludeIps may hold and what it may not.
func TestParseRange(t *testing.T) {
	for text, want := range map[string]string{
		"10.16.0.1":               "10.16.0.1",
		" 10.16.0.1 ":             "10.16.0.1",
		"10.16.0.1..10.16.0.9":    "10.16.0.1-10.16.0.9",
		"10.16.0.1 .. 10.16.0.9":  "10.16.0.1-10.16.0.9",
		"fd00::1..fd00::1":        "fd00::1",
		"FD00::a..fd00::ff":       "fd00::a-fd00::ff",
		"":                        "",
		"10.16.0":                 "",
		"10.16.0.9..10.16.0.1":    "",
		"10.16.0.1..fd00::1":      "",
		"10.16.0.1..":             "",
		"..10.16.0.1":             "",
		"10.16.0.1..x":            "",
		"10.16.0.1-10.16.0.9":     "",
		"fe80::1%eth0":            "",
		"::ffff:10.16.0.1":        "",
		"10.16.0.1..10.16.0.2..3": "",
	} {
		got, err := ParseRange(text)
		if want == "" && err == nil || want != "" && (err != nil || got.String() != want) {
			t.Errorf("ParseRange(%q) = %v, %v; want %q", text, got, err, want)
		}
	}
}

// TestRangeOf checks the last address and the size, up to the whole of IPv6.
func TestRangeOf(t *testing.T) {
	for _, test := range []struct{ prefix, want, size string }{
		{"10.16.0.0/16", "10.16.0.0-10.16.255.255", "65536"},
		{"10.16.3.7/22", "10.16.0.0-10.16.3.255", "1024"},
		{"10.16.0.8/32", "10.16.0.8", "1"},
		{"0.0.0.0/0", "0.0.0.0-255.255.255.255", "4294967296"},
		{"fd00:1::/64", "fd00:1::-fd00:1::ffff:ffff:ffff:ffff", "18446744073709551616"},
		{"::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "340282366920938463463374607431768211456"},
	} {
		got := RangeOf(netip.MustParsePrefix(test.prefix))
		if got.String() != test.want || got.Size().String() != test.size {
			t.Errorf("%s: %s of %s, want %s of %s", test.prefix, got, got.Size(), test.want, test.size)
		}
	}
}

// TestRangeSetMerges shows each way in which ranges touch, overlap and part.
func TestRangeSetMerges(t *testing.T) {
	for _, test := range []struct{ steps, want string }{
		{"+10..20", "10-20"},
		{"+10..20 +21..30", "10-30"},
		{"+21..30 +10..20", "10-30"},
		{"+10..20 +22..30", "10-20,22-30"},
		{"+10..20 +22..30 +21..21", "10-30"},
		{"+10..20 +30..40 +50..60 +15..55", "10-60"},
		{"+10..60 -20..30", "10-19,31-60"},
		{"+10..60 -10..30", "31-60"},
		{"+10..60 -20..60", "10-19"},
		{"+10..60 -5..70", ""},
		{"+10..20 +30..40 +50..60 -15..55", "10-14,56-60"},
		{"+10..20 -30..40", "10-20"},
		{"-1..5", ""},
		{"+0..255 -0..0 -255..255", "1-254"},
		{"+0..0 +255..255", "0,255"},
	} {
		if got := runSteps(t, test.steps).text(100); got != inOctets(test.want) {
			t.Errorf("%s: %s, want %s", test.steps, got, inOctets(test.want))
		}
	}
}

// TestRangeSetEnds shows that the ends of the address space need no care.
func TestRangeSetEnds(t *testing.T) {
	for _, prefix := range []string{"0.0.0.0/0", "::/0"} {
		whole := RangeOf(netip.MustParsePrefix(prefix))
		var s rangeSet
		s.add(whole)
		s.remove(single(whole.First))
		s.remove(single(whole.Last))
		if s.contains(whole.First) || s.contains(whole.Last) {
			t.Errorf("%s: the ends are still there: %s", prefix, s.text(9))
		}
		s.add(single(whole.Last))
		s.add(single(whole.First))
		if s.text(9) != whole.String() || s.size().Cmp(whole.Size()) != 0 {
			t.Errorf("%s: %s", prefix, s.text(9))
		}
	}
}

// TestRangeSetText shows that a long text is cut.
func TestRangeSetText(t *testing.T) {
	s := runSteps(t, "+1..1 +3..4 +6..6 +8..8")
	for limit, want := range map[int]string{
		9: "10.0.0.1,10.0.0.3-10.0.0.4,10.0.0.6,10.0.0.8",
		4: "10.0.0.1,10.0.0.3-10.0.0.4,10.0.0.6,10.0.0.8",
		2: "10.0.0.1,10.0.0.3-10.0.0.4,…",
	} {
		if got := s.text(limit); got != want {
			t.Errorf("%d ranges: %s, want %s", limit, got, want)
		}
	}
}

// TestRangeSetStaysShallow fragments a set as badly as can be, in the order
// that would unbalance a plain tree.
func TestRangeSetStaysShallow(t *testing.T) {
	var s rangeSet
	at := addr("10.0.0.0")
	const ranges = 1 << 15
	for range ranges {
		s.add(single(at))
		at = at.Next().Next()
	}
	if depth := s.root.depth(); depth > 60 {
		t.Errorf("%d ranges are %d deep; about 2·ln n = 21 to 40 is usual", ranges, depth)
	}
}

func (n *node) depth() int {
	if n == nil {
		return 0
	}
	return 1 + max(n.left.depth(), n.right.depth())
}

// FuzzRangeSet compares with one bit for each of 256 addresses. Every three
// bytes are a step: add or remove, from, to.
func FuzzRangeSet(f *testing.F) {
	f.Add([]byte{0, 10, 20, 0, 22, 30, 0, 21, 21, 1, 15, 25})
	f.Add([]byte{0, 0, 255, 1, 0, 0, 1, 255, 255})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var s rangeSet
		var model [256]bool
		for ; len(steps) >= 3; steps = steps[3:] {
			from, to := min(steps[1], steps[2]), max(steps[1], steps[2])
			step(&s, &model, steps[0]&1 == 0, from, to)
		}
		compare(t, &s, &model)
	})
}

// TestRangeSetRandomly is the fuzz test's loop, for every run of the tests.
func TestRangeSetRandomly(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var s rangeSet
	var model [256]bool
	for range 20_000 {
		from := byte(random.IntN(256))
		to := from + byte(random.IntN(min(12, 256-int(from))))
		step(&s, &model, random.IntN(2) == 0, from, to)
		compare(t, &s, &model)
	}
}

func step(s *rangeSet, model *[256]bool, add bool, from, to byte) {
	r := Range{octet(from), octet(to)}
	if add {
		s.add(r)
	} else {
		s.remove(r)
	}
	for i := int(from); i <= int(to); i++ {
		model[i] = add
	}
}

// compare checks every query and the invariants: ascending, disjoint, apart.
func compare(t *testing.T, s *rangeSet, model *[256]bool) {
	t.Helper()
	count := 0
	for i := 255; i >= 0; i-- {
		if s.contains(octet(byte(i))) != model[i] {
			t.Fatalf("contains(%d) is not %v in %s", i, model[i], s.text(256))
		}
		if model[i] {
			count++
		}
	}
	if s.size().Int64() != int64(count) {
		t.Fatalf("size %s, want %d", s.size(), count)
	}
	var before Range
	for r := range s.all() {
		if r.Last.Less(r.First) || before.Last.IsValid() && !before.Last.Next().Less(r.First) {
			t.Fatalf("ranges %s and %s are not apart", before, r)
		}
		before = r
	}
	first, ok := s.next(octet(0))
	if ok != (count > 0) || ok && !model[first.As4()[3]] {
		t.Fatalf("next found %s in %s", first, s.text(256))
	}
}

func octet(n byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, n}) }

// inOctets writes "10-20,30" as addresses of 10.0.0.0/24.
func inOctets(text string) string {
	var s rangeSet
	for len(text) > 0 {
		var from, to, n int
		if read, _ := fmt.Sscanf(text, "%d-%d%n", &from, &to, &n); read < 2 {
			fmt.Sscanf(text, "%d%n", &from, &n)
			to = from
		}
		s.add(Range{octet(byte(from)), octet(byte(to))})
		for n = 0; n < len(text) && text[n] != ','; n++ {
		}
		text = text[min(n+1, len(text)):]
	}
	return s.text(100)
}

// runSteps runs "+from..to" and "-from..to".
func runSteps(t *testing.T, steps string) *rangeSet {
	t.Helper()
	var s rangeSet
	for len(steps) > 0 {
		var sign rune
		var from, to byte
		if _, err := fmt.Sscanf(steps, "%c%d..%d", &sign, &from, &to); err != nil {
			t.Fatal(steps, err)
		}
		step(&s, new([256]bool), sign == '+', from, to)
		for steps != "" && steps[0] != ' ' {
			steps = steps[1:]
		}
		steps = steps[min(1, len(steps)):]
	}
	return &s
}
