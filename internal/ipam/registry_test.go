package ipam

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"hawser/internal/host"
)

func seeded() func() uint64 { return rand.New(rand.NewPCG(7, 7)).Uint64 }

func mac(text string) host.MAC {
	m, err := host.ParseMAC(text)
	if err != nil {
		panic(err)
	}
	return m
}

func addrs(text string) []netip.Addr {
	var list []netip.Addr
	for word := range strings.FieldsSeq(text) {
		list = append(list, addr(word))
	}
	return list
}

// subnet builds a Subnet: networks as "prefix gateway", excludes as in a spec.
func subnet(name, networks string, excludes ...string) Subnet {
	s := Subnet{Name: name, RouterMAC: mac("0a:00:00:00:00:01")}
	words := strings.Fields(networks)
	for ; len(words) > 1; words = words[2:] {
		s.Networks = append(s.Networks, Network{netip.MustParsePrefix(words[0]), addr(words[1])})
	}
	for _, text := range excludes {
		r, err := ParseRange(text)
		if err != nil {
			panic(err)
		}
		s.Excludes = append(s.Excludes, r)
	}
	return s
}

func registry(subnets ...Subnet) *Registry {
	r := New(seeded())
	for _, s := range subnets {
		r.SetSubnet(s)
	}
	return r
}

const dual = "10.16.0.0/29 10.16.0.1 fd00::/125 fd00::1"

// get allocates and returns the addresses as text, or the refusal.
func get(r *Registry, subnet, holder string, want Request) string {
	lease, err := r.Allocate(subnet, holder, want)
	if err != nil {
		return err.Error()
	}
	return lease.text()
}

func (l Lease) text() string {
	var words []string
	for _, a := range l.Addresses {
		words = append(words, a.String())
	}
	return strings.Join(words, " ")
}

// TestAllocateInOrder shows which addresses a subnet gives, one after another.
func TestAllocateInOrder(t *testing.T) {
	for _, test := range []struct {
		name   string
		subnet Subnet
		want   []string
	}{
		{"IPv4: not network, gateway, broadcast", subnet("s", "10.16.0.0/29 10.16.0.1"),
			[]string{"10.16.0.2", "10.16.0.3", "10.16.0.4", "10.16.0.5", "10.16.0.6", "subnet s has no free IPv4 address left"}},
		{"gateway in the middle", subnet("s", "10.16.0.0/29 10.16.0.4"),
			[]string{"10.16.0.1", "10.16.0.2", "10.16.0.3", "10.16.0.5", "10.16.0.6", "subnet s has no free IPv4 address left"}},
		{"IPv6: not the router anycast address, but the last one", subnet("s", "fd00::/126 fd00::1"),
			[]string{"fd00::2", "fd00::3", "subnet s has no free IPv6 address left"}},
		{"dual: the smaller family ends it", subnet("s", "10.16.0.0/24 10.16.0.1 fd00::/126 fd00::1"),
			[]string{"10.16.0.2 fd00::2", "10.16.0.3 fd00::3", "subnet s has no free IPv6 address left"}},
		{"excludes of either family", subnet("s", dual, "10.16.0.2..10.16.0.4", "fd00::2", "fd00::4..fd00::6"),
			[]string{"10.16.0.5 fd00::3", "10.16.0.6 fd00::7", "subnet s has no free IPv4 address left"}},
		{"excludes beyond the network", subnet("s", "10.16.0.0/29 10.16.0.1", "10.0.0.0..10.16.0.5", "10.16.0.7..10.255.0.0"),
			[]string{"10.16.0.6", "subnet s has no free IPv4 address left"}},
		{"everything excluded", subnet("s", "10.16.0.0/29 10.16.0.1", "10.16.0.0..10.16.0.7"),
			[]string{"subnet s has no free IPv4 address left"}},
		{"no networks: a MAC is all there is", subnet("s", ""), []string{"", ""}},
		{"a network without hosts", subnet("s", "10.16.0.0/31 10.16.0.1"), []string{"subnet s has no free IPv4 address left"}},
		{"the last addresses there are", subnet("s", "255.255.255.252/30 255.255.255.253"),
			[]string{"255.255.255.254", "subnet s has no free IPv4 address left"}},
	} {
		r := registry(test.subnet)
		for i, want := range test.want {
			if got := get(r, "s", string(rune('a'+i)), Request{}); got != want {
				t.Errorf("%s: allocation %d: %s, want %s", test.name, i, got, want)
			}
		}
	}
}

// TestReleasedWaitsARound shows that a released address is given away again
// only after all others have had their turn.
func TestReleasedWaitsARound(t *testing.T) {
	r := registry(subnet("s", "10.16.0.0/29 10.16.0.1"))
	var got []string
	for _, holder := range strings.Fields("a b -a c d -b e f g h") {
		if rest, release := strings.CutPrefix(holder, "-"); release {
			r.Release(rest)
			continue
		}
		got = append(got, get(r, "s", holder, Request{}))
	}
	want := "10.16.0.2,10.16.0.3,10.16.0.4,10.16.0.5,10.16.0.6,10.16.0.2,10.16.0.3,subnet s has no free IPv4 address left"
	if strings.Join(got, ",") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ","), want)
	}
}

// TestRoundEndsAtTheTop covers the cursor behind the last IPv6 address.
func TestRoundEndsAtTheTop(t *testing.T) {
	const top = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd"
	r := registry(subnet("s", top))
	for _, want := range []string{"fffe", "ffff", "fffe", "ffff"} {
		got := get(r, "s", "a", Request{})
		if !strings.HasSuffix(got, want) {
			t.Errorf("got %s, want …%s", got, want)
		}
		r.Release("a")
	}
}

// TestStaticRequests covers every answer to a request for certain addresses.
func TestStaticRequests(t *testing.T) {
	for _, test := range []struct {
		name string
		want Request
		got  string
		is   error
	}{
		{"both families", Request{Addresses: addrs("10.16.0.3 fd00::5")}, "10.16.0.3 fd00::5", nil},
		{"either order", Request{Addresses: addrs("fd00::5 10.16.0.3")}, "10.16.0.3 fd00::5", nil},
		{"one family only", Request{Addresses: addrs("fd00::5")}, "fd00::5", nil},
		{"an excluded one", Request{Addresses: addrs("10.16.0.6")}, "10.16.0.6", nil},
		{"taken", Request{Addresses: addrs("10.16.0.2")}, "address 10.16.0.2 of subnet s is held by first", ErrTaken},
		{"half taken", Request{Addresses: addrs("10.16.0.3 fd00::2")}, "address fd00::2 of subnet s is held by first", ErrTaken},
		{"outside", Request{Addresses: addrs("10.16.0.9")}, "address 10.16.0.9 is outside subnet s", ErrOutside},
		{"gateway", Request{Addresses: addrs("10.16.0.1")}, "address 10.16.0.1 is reserved in subnet s", ErrReserved},
		{"network", Request{Addresses: addrs("10.16.0.0")}, "address 10.16.0.0 is reserved in subnet s", ErrReserved},
		{"broadcast", Request{Addresses: addrs("10.16.0.7")}, "address 10.16.0.7 is reserved in subnet s", ErrReserved},
		{"anycast", Request{Addresses: addrs("fd00::")}, "address fd00:: is reserved in subnet s", ErrReserved},
		{"two of a family", Request{Addresses: addrs("10.16.0.3 fd00::3 fd00::4")}, "address fd00::4 is a second one of its family", ErrOneOfEach},
		{"MAC taken", Request{MAC: mac("0a:00:00:00:00:02")}, "MAC 0a:00:00:00:00:02 of subnet s is held by first", ErrTaken},
		{"MAC of the gateway", Request{MAC: mac("0a:00:00:00:00:01")}, "MAC 0a:00:00:00:00:01 is reserved in subnet s", ErrReserved},
		{"first free candidate", Request{Candidates: [][]netip.Addr{addrs("10.16.0.2"), addrs("10.16.0.4"), addrs("10.16.0.5")}}, "10.16.0.4", nil},
		{"a candidate is taken as a whole", Request{Candidates: [][]netip.Addr{addrs("10.16.0.3 fd00::2"), addrs("10.16.0.4 fd00::4")}}, "10.16.0.4 fd00::4", nil},
		{"no candidate free", Request{Candidates: [][]netip.Addr{addrs("10.16.0.9"), addrs("10.16.0.2")}}, "address 10.16.0.2 of subnet s is held by first", ErrTaken},
		{"one family by choice", Request{Only: IPv6}, "fd00::3", nil},
	} {
		r := registry(subnet("s", dual, "10.16.0.6"))
		if got := get(r, "s", "first", Request{MAC: mac("0a:00:00:00:00:02")}); got != "10.16.0.2 fd00::2" {
			t.Fatal(got)
		}
		lease, err := r.Allocate("s", "second", test.want)
		got := lease.text()
		if err != nil {
			got = err.Error()
		}
		if got != test.got || !errors.Is(err, test.is) {
			t.Errorf("%s: %s, want %s", test.name, got, test.got)
		}
		if _, held, ok := r.Lease("second"); ok != (err == nil) || held.text() != lease.text() {
			t.Errorf("%s: the registry holds %s", test.name, held.text())
		}
	}
}

// TestOnlyFamilyThatIsMissing: there is nothing of that family to give.
func TestOnlyFamilyThatIsMissing(t *testing.T) {
	r := registry(subnet("s", "10.16.0.0/29 10.16.0.1"))
	if _, err := r.Allocate("s", "a", Request{Only: IPv6}); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
}

// TestAskingAgain shows that a holder gets what it has, and nothing besides.
func TestAskingAgain(t *testing.T) {
	r := registry(subnet("s", dual), subnet("other", "10.17.0.0/29 10.17.0.1"))
	first, err := r.Allocate("s", "a", Request{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Request{
		"anything":        {},
		"the same":        {Addresses: addrs("fd00::2 10.16.0.2")},
		"the same MAC":    {MAC: first.MAC},
		"among the names": {Candidates: [][]netip.Addr{addrs("10.16.0.5"), addrs("10.16.0.2 fd00::2")}},
	} {
		again, err := r.Allocate("s", "a", want)
		if err != nil || again.text() != first.text() || again.MAC != first.MAC {
			t.Errorf("%s: %v, %v", name, again, err)
		}
	}
	for name, err := range map[string]error{
		"another address":   second(r.Allocate("s", "a", Request{Addresses: addrs("10.16.0.3")})),
		"another MAC":       second(r.Allocate("s", "a", Request{MAC: mac("0a:00:00:00:00:09")})),
		"another candidate": second(r.Allocate("s", "a", Request{Candidates: [][]netip.Addr{addrs("10.16.0.3")}})),
		"another subnet":    second(r.Allocate("other", "a", Request{})),
	} {
		want := "a already has an address in subnet s 10.16.0.2 fd00::2 " + first.MAC.String()
		if !errors.Is(err, ErrHeld) || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func second(_ Lease, err error) error { return err }

// TestUnknownSubnet covers names that were never set, or no longer are.
func TestUnknownSubnet(t *testing.T) {
	r := registry(subnet("s", dual))
	r.RemoveSubnet("s")
	r.RemoveSubnet("never")
	for _, name := range []string{"s", "never"} {
		_, err := r.Allocate(name, "a", Request{})
		if !errors.Is(err, ErrUnknownSubnet) || err.Error() != "subnet "+name+": unknown subnet" {
			t.Error(err)
		}
		if usage := r.Usage(name); usage.V4.Using.Sign() != 0 || usage.V6.Available.Sign() != 0 {
			t.Error(usage)
		}
		if _, ok := r.Holder(name, addr("10.16.0.2")); ok {
			t.Errorf("%s: somebody holds an address of it", name)
		}
	}
	if len(r.pools) != 0 {
		t.Errorf("pools are left: %v", r.pools)
	}
}

// TestMACs: locally administered, unicast, unique, never the gateway's, also
// when the generator repeats itself.
func TestMACs(t *testing.T) {
	draws := []uint64{0x0100_0000_000a, 0x0300_0000_0009, 0x0300_0000_0009, 0x0300_0000_000b, 0xffff_ffff_ffff_ffff}
	r := New(func() uint64 {
		next := draws[0]
		draws = draws[1:]
		return next
	})
	r.SetSubnet(subnet("s", dual))
	for holder, want := range map[string]string{"a": "0a:00:00:00:00:03"} {
		lease, err := r.Allocate("s", holder, Request{})
		if err != nil || lease.MAC.String() != want {
			t.Errorf("%s has %v, %v", holder, lease, err)
		}
	}
	lease, err := r.Allocate("s", "b", Request{})
	if err != nil || lease.MAC.String() != "fe:ff:ff:ff:ff:ff" {
		t.Errorf("b has %v, %v", lease, err)
	}
	if !lease.MAC.IsUnicast() {
		t.Error("a group address")
	}
}

// TestRestore covers each report, and what is recorded with it.
func TestRestore(t *testing.T) {
	lease := func(text string) Lease {
		words := strings.Fields(text)
		return Lease{addrs(strings.Join(words[1:], " ")), mac(words[0])}
	}
	for _, test := range []struct {
		name, subnet, lease string
		is                  error
		message             string
		recorded            bool
	}{
		{"as it was", "s", "0a:00:00:00:00:05 10.16.0.5 fd00::5", nil, "", true},
		{"address held by another", "s", "0a:00:00:00:00:05 10.16.0.2", ErrTaken, "address 10.16.0.2 of subnet s is held by elder", false},
		{"MAC held by another", "s", "0a:00:00:00:00:02 10.16.0.5", ErrTaken, "MAC 0a:00:00:00:00:02 of subnet s is held by elder", false},
		{"outside", "s", "0a:00:00:00:00:05 10.99.0.5", ErrOutside, "address 10.99.0.5 is outside subnet s", true},
		{"gateway", "s", "0a:00:00:00:00:05 10.16.0.1", ErrReserved, "address 10.16.0.1 is reserved in subnet s", true},
		{"MAC of the gateway", "s", "0a:00:00:00:00:01 10.16.0.5", ErrReserved, "MAC 0a:00:00:00:00:01 is reserved in subnet s", true},
		{"unknown subnet", "later", "0a:00:00:00:00:05 10.20.0.5", ErrUnknownSubnet, "subnet later: unknown subnet", true},
	} {
		r := registry(subnet("s", dual))
		if err := r.Restore("s", "elder", lease("0a:00:00:00:00:02 fd00::2 10.16.0.2")); err != nil {
			t.Fatal(err)
		}
		err := r.Restore(test.subnet, "late", lease(test.lease))
		if !errors.Is(err, test.is) || err != nil && err.Error() != test.message {
			t.Errorf("%s: %v, want %s", test.name, err, test.message)
		}
		where, held, ok := r.Lease("late")
		if ok != test.recorded || ok && (where != test.subnet || held.MAC.String()+" "+held.text() != test.lease) {
			t.Errorf("%s: recorded %v %s %s", test.name, ok, where, held.text())
		}
		if again := r.Restore(test.subnet, "late", lease(test.lease)); test.recorded && again != nil {
			t.Errorf("%s: restoring again: %v", test.name, again)
		}
		if err := r.Restore("s", "late", lease("0a:00:00:00:00:06 10.16.0.6")); test.recorded && !errors.Is(err, ErrHeld) {
			t.Errorf("%s: a second lease: %v", test.name, err)
		}
	}
}

// TestRestoreOfNothing: an empty lease in no subnet leaves nothing behind.
func TestRestoreOfNothing(t *testing.T) {
	r := registry()
	if err := r.Restore("gone", "a", Lease{}); !errors.Is(err, ErrUnknownSubnet) {
		t.Error(err)
	}
	r.RemoveSubnet("gone")
	r.Release("a")
	r.Release("a")
	if len(r.pools) != 0 || len(r.holders) != 0 {
		t.Errorf("left over: %v %v", r.pools, r.holders)
	}
}

// TestSubnetChangesInUse: leases survive every change of their subnet, and no
// change makes an address that is held free.
func TestSubnetChangesInUse(t *testing.T) {
	r := registry(subnet("s", "10.16.0.0/29 10.16.0.1"))
	get(r, "s", "a", Request{})
	get(r, "s", "b", Request{})
	state := func(want string) {
		t.Helper()
		usage := r.Usage("s").V4
		if got := usage.UsingRange + "|" + usage.AvailableRange + "|" + usage.Using.String() + "+" + usage.Available.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	state("10.16.0.2-10.16.0.3|10.16.0.4-10.16.0.6|2+3")
	r.SetSubnet(subnet("s", "10.16.0.0/28 10.16.0.1")) // grown
	state("10.16.0.2-10.16.0.3|10.16.0.4-10.16.0.14|2+11")
	r.SetSubnet(subnet("s", "10.16.0.0/28 10.16.0.1", "10.16.0.3..10.16.0.12")) // excludes what b has
	state("10.16.0.2-10.16.0.3|10.16.0.13-10.16.0.14|2+2")
	r.Release("b") // returns to the excluded, not to the free ones
	state("10.16.0.2|10.16.0.13-10.16.0.14|1+2")
	get(r, "s", "c", Request{Addresses: addrs("10.16.0.5")}) // excluded, but asked for
	state("10.16.0.2,10.16.0.5|10.16.0.13-10.16.0.14|2+2")
	r.SetSubnet(subnet("s", "10.16.1.0/29 10.16.1.1")) // moved: a and c are outside
	state("10.16.0.2,10.16.0.5|10.16.1.2-10.16.1.6|2+5")
	r.RemoveSubnet("s")
	state("||0+0")
	if _, err := r.Allocate("s", "d", Request{}); !errors.Is(err, ErrUnknownSubnet) {
		t.Error(err)
	}
	r.SetSubnet(subnet("s", dual)) // back, and dual now
	state("10.16.0.2,10.16.0.5|10.16.0.3-10.16.0.4,10.16.0.6|2+3")
	if got := get(r, "s", "a", Request{}); got != "10.16.0.2" {
		t.Errorf("a lease that exists does not grow a family: %s", got)
	}
	if got := get(r, "s", "e", Request{Addresses: addrs("10.16.0.2")}); got != "address 10.16.0.2 of subnet s is held by a" {
		t.Error(got)
	}
}

// TestMisfit tells in advance what a change would do to holders.
func TestMisfit(t *testing.T) {
	r := registry(subnet("s", "10.16.0.0/24 10.16.0.1"))
	for _, text := range []string{"10.16.0.5", "10.16.0.77", "10.16.0.200"} {
		get(r, "s", "has-"+text, Request{Addresses: addrs(text)})
	}
	if err := r.Restore("s", "odd", Lease{Addresses: addrs("10.99.0.1")}); !errors.Is(err, ErrOutside) {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, networks, excludes string
		is                       error
		message, by              string
	}{
		{"unchanged", "10.16.0.0/24 10.16.0.1", "", nil, "", ""},
		{"grown", "10.16.0.0/16 10.16.0.1", "", nil, "", ""},
		{"another family besides", "10.16.0.0/24 10.16.0.1 fd00::/64 fd00::1", "", nil, "", ""},
		{"excluded: who has one keeps it", "10.16.0.0/24 10.16.0.1", "10.16.0.5..10.16.0.200", nil, "", ""},
		{"shrunk", "10.16.0.0/26 10.16.0.1", "", ErrOutside, "address 10.16.0.77 is outside subnet s", "has-10.16.0.77"},
		{"moved", "10.17.0.0/24 10.17.0.1", "", ErrOutside, "address 10.16.0.5 is outside subnet s", "has-10.16.0.5"},
		{"gateway onto a holder", "10.16.0.0/24 10.16.0.77", "", ErrReserved, "address 10.16.0.77 is reserved in subnet s", "has-10.16.0.77"},
	} {
		changed := subnet("s", test.networks)
		if test.excludes != "" {
			changed = subnet("s", test.networks, test.excludes)
		}
		err := r.Misfit(changed)
		var refusal *Error
		if !errors.Is(err, test.is) || errors.As(err, &refusal) && (refusal.Error() != test.message || refusal.By != test.by) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if err := r.Misfit(subnet("other", "10.17.0.0/24 10.17.0.1")); err != nil {
		t.Errorf("a new subnet: %v", err)
	}
}

// TestCursorSurvivesChanges: a change of the subnet does not make released
// addresses fresh again.
func TestCursorSurvivesChanges(t *testing.T) {
	r := registry(subnet("s", "10.16.0.0/24 10.16.0.1"))
	get(r, "s", "a", Request{})
	r.Release("a")
	r.SetSubnet(subnet("s", "10.16.0.0/24 10.16.0.1", "10.16.0.9"))
	if got := get(r, "s", "b", Request{}); got != "10.16.0.3" {
		t.Errorf("b has %s", got)
	}
	r.SetSubnet(subnet("s", "10.17.0.0/24 10.17.0.1"))
	if got := get(r, "s", "c", Request{}); got != "10.17.0.2" {
		t.Errorf("c has %s", got)
	}
}

// TestUsage covers counts beyond 64 bits and both families.
func TestUsage(t *testing.T) {
	r := registry(subnet("s", "10.16.0.0/16 10.16.0.1 fd00::/48 fd00::1"))
	get(r, "s", "a", Request{})
	get(r, "s", "b", Request{Addresses: addrs("10.16.0.4 fd00::ffff")})
	usage := r.Usage("s")
	for got, want := range map[string]string{
		usage.V4.Using.String():     "2",
		usage.V4.Available.String(): "65531",
		usage.V6.Available.String(): "1208925819614629174706172",
		usage.V4.UsingRange:         "10.16.0.2,10.16.0.4",
		usage.V6.UsingRange:         "fd00::2,fd00::ffff",
		usage.V4.AvailableRange:     "10.16.0.3,10.16.0.5-10.16.255.254",
		usage.V6.AvailableRange:     "fd00::3-fd00::fffe,fd00::1:0-fd00::ffff:ffff:ffff:ffff:ffff",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if holder, ok := r.Holder("s", addr("fd00::ffff")); !ok || holder != "b" {
		t.Errorf("fd00::ffff is held by %q", holder)
	}
}

// TestLeasesAreCopies: what a caller does to a Lease stays with the caller.
func TestLeasesAreCopies(t *testing.T) {
	r := registry(subnet("s", dual))
	given, _ := r.Allocate("s", "a", Request{})
	given.Addresses[0] = addr("10.16.0.6")
	mine := Lease{addrs("10.16.0.5"), mac("0a:00:00:00:00:05")}
	if err := r.Restore("s", "b", mine); err != nil {
		t.Fatal(err)
	}
	mine.Addresses[0] = addr("10.16.0.6")
	for holder, want := range map[string]string{"a": "10.16.0.2 fd00::2", "b": "10.16.0.5"} {
		if _, lease, _ := r.Lease(holder); lease.text() != want {
			t.Errorf("%s has %s, want %s", holder, lease.text(), want)
		}
	}
}

// TestConcurrently is for the race detector, and for what a race would do: an
// address given twice.
func TestConcurrently(t *testing.T) {
	r := registry(subnet("s", "10.16.0.0/22 10.16.0.1"))
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 200 {
				holder := string(rune('a'+worker)) + string(rune('a'+i%100))
				if i%3 == 2 {
					r.Release(holder)
				} else if _, err := r.Allocate("s", holder, Request{}); err != nil {
					t.Error(err)
				}
				r.Usage("s")
			}
		})
	}
	group.Wait()
	seen := map[netip.Addr]string{}
	for holder, have := range r.holders {
		a := have.lease.Addresses[0]
		if other, twice := seen[a]; twice {
			t.Errorf("%s is held by %s and %s", a, holder, other)
		}
		seen[a] = holder
	}
}
