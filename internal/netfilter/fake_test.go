package netfilter

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"

	"hawser/internal/host"
	"hawser/test/golden"
)

// fakes stand in for the kernel, a table of each family.
type fakes struct {
	inet, arp *knftables.Fake
}

func newFakes() fakes {
	return fakes{
		inet: knftables.NewFake(knftables.InetFamily, table),
		arp:  knftables.NewFake(knftables.ARPFamily, table),
	}
}

// client is a client that knows nothing yet, as after a restart.
func (f fakes) client() *Client { return newClient(f.inet, f.arp) }

func dualStack() host.Filtering {
	return host.Filtering{
		Gateway: "ovn0",
		Sources: prefixes("10.16.0.0/16", "fd00:10:16::/112"),
		Subnets: prefixes("10.16.0.0/16", "fd00:10:16::/112", "10.17.0.0/24", "100.64.0.0/16", "fd00:100:64::/112"),
		Nodes:   []netip.Addr{netip.MustParseAddr("172.30.0.11"), netip.MustParseAddr("fd00:30::11")},
		Private: []host.PrivateSubnet{
			{Prefix: netip.MustParsePrefix("10.17.0.0/24"), Admits: prefixes("10.17.0.0/24", "10.16.1.0/24", "10.16.1.128/25", "100.64.0.0/16")},
			{Prefix: netip.MustParsePrefix("fd00:10:16::/112"), Admits: prefixes("fd00:10:16::/112", "fd00:100:64::/112")},
		},
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// fakeApply applies and returns the transaction that it took.
func fakeApply(t *testing.T, client *Client, fake *knftables.Fake, want host.Filtering) string {
	t.Helper()
	fake.LastTransaction = nil
	if _, err := client.Filter(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if fake.LastTransaction == nil {
		return ""
	}
	return fake.LastTransaction.String()
}

func TestTransactions(t *testing.T) {
	kernel := newFakes()
	client, fake := kernel.client(), kernel.inet
	golden.Check(t, "testdata/fresh.txt", fakeApply(t, client, fake, dualStack()))
	golden.Check(t, "testdata/table.txt", fake.Dump())
	if again := fakeApply(t, client, fake, dualStack()); again != "" {
		t.Errorf("second apply did:\n%s", again)
	}
	changed := dualStack()
	changed.Sources = prefixes("10.17.0.0/24")
	changed.Nodes = append(changed.Nodes, netip.MustParseAddr("172.30.0.12"))
	golden.Check(t, "testdata/elements.txt", fakeApply(t, client, fake, changed))

	restarted := kernel.client()
	if again := fakeApply(t, restarted, fake, changed); again != "" {
		t.Errorf("a restarted agent did:\n%s", again)
	}
	golden.Check(t, "testdata/nothing.txt", fakeApply(t, client, fake, host.Filtering{}))
}

func TestRepairs(t *testing.T) {
	kernel := newFakes()
	client, fake := kernel.client(), kernel.inet
	fakeApply(t, client, fake, dualStack())
	want := fake.Dump()
	for name, damage := range map[string]func(tx *knftables.Transaction){
		"table gone":   func(tx *knftables.Transaction) { tx.Delete(&knftables.Table{}) },
		"rules gone":   func(tx *knftables.Transaction) { tx.Flush(&knftables.Chain{Name: masqueradeChain}) },
		"chain gone":   func(tx *knftables.Transaction) { tx.Flush(&knftables.Chain{Name: isolateChain}) },
		"element gone": func(tx *knftables.Transaction) { tx.Flush(&knftables.Set{Name: "nodes4"}) },
		"rule in front": func(tx *knftables.Transaction) {
			tx.Insert(&knftables.Rule{Chain: masqueradeChain, Rule: "accept"})
		},
	} {
		tx := fake.NewTransaction()
		damage(tx)
		if err := fake.Run(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		client.forget(ourFamilies...)
		fakeApply(t, client, fake, dualStack())
		if diff := cmp.Diff(want, fake.Dump()); diff != "" {
			t.Errorf("%s: table is not as it was:\n%s", name, diff)
		}
	}
}

func TestIntervalsNeverOverlap(t *testing.T) {
	got := disjoint(prefixes("10.16.1.0/24", "10.16.0.0/16", "10.16.0.0/16", "fd00::/64", "10.17.0.9/16"))
	want := prefixes("10.16.0.0/16", "10.17.0.0/16", "fd00::/64")
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestOverlappingPrivateSubnets: what the controller refuses must not make the
// kernel refuse all the rest.
func TestOverlappingPrivateSubnets(t *testing.T) {
	got := private([]host.PrivateSubnet{
		{Prefix: netip.MustParsePrefix("10.16.1.0/24"), Admits: prefixes("10.16.1.0/24")},
		{Prefix: netip.MustParsePrefix("10.16.0.0/16"), Admits: prefixes("10.16.0.0/16")},
	})
	want := map[netip.Prefix][]netip.Prefix{netip.MustParsePrefix("10.16.0.0/16"): prefixes("10.16.0.0/16")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestHarms(t *testing.T) {
	data := []byte{1, 0, 0, 0, 13, 0, 1, 0, 'k', 'u', 'b', 'e', '-', 'o', 'v', 'n', 0, 0, 0, 0}
	if got := tableOf(data); got != table {
		t.Errorf("table is %q", got)
	}
	for _, broken := range [][]byte{nil, {1, 0, 0, 0}, {1, 0, 0, 0, 2, 0, 1, 0}, {1, 0, 0, 0, 99, 0, 1, 0}} {
		if got := tableOf(broken); got != "" {
			t.Errorf("table of %v is %q", broken, got)
		}
	}
	const newTable, delTable, delChain, other = 0x0a00, 0x0a02, 0x0a05, 0x0102
	if harms(newTable) || !harms(delTable) || !harms(delChain) || harms(other) {
		t.Error("only what takes away from nftables harms")
	}
	if got := harmedFamilies(make([]byte, 16)); len(got) != len(ourFamilies) {
		t.Errorf("what cannot be read harms %v", got)
	}
}

func TestConfinementTransactions(t *testing.T) {
	kernel := newFakes()
	client, fake := kernel.client(), kernel.arp
	want := []host.Address{
		{Link: "br-encap", Prefix: netip.MustParsePrefix("192.168.0.2/16")},
		{Link: "br-encap", Prefix: netip.MustParsePrefix("fd00::2/64")},
	}
	confine := func(client *Client, want []host.Address) int {
		t.Helper()
		changed, err := client.Confine(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	confine(client, want)
	golden.Check(t, "testdata/confine.txt", fake.LastTransaction.String())
	if changed := confine(client, want) + confine(kernel.client(), want); changed != 0 {
		t.Errorf("confining twice changed %d things", changed)
	}
	confine(client, nil)
	if tables := fake.Dump(); tables != "" {
		t.Errorf("confining nothing leaves\n%s", tables)
	}
	if changed := confine(client, want[1:]); changed != 0 {
		t.Errorf("an IPv6 address changed %d things", changed)
	}
}

func TestAFamilyThatTheKernelLacks(t *testing.T) {
	kernel := newFakes()
	refused := errors.New("Operation not supported")
	client := kernel.client()
	client.confinement.lacks = refused
	if changed, err := client.Confine(t.Context(), nil); changed != 0 || err != nil {
		t.Errorf("confining nothing: %d, %v", changed, err)
	}
	if _, err := client.Confine(t.Context(), []host.Address{{Link: "br-encap", Prefix: netip.MustParsePrefix("198.18.0.2/16")}}); !errors.Is(err, refused) {
		t.Errorf("confining: %v", err)
	}
	if changed, err := client.Filter(t.Context(), dualStack()); changed == 0 || err != nil {
		t.Errorf("the inet table: %d, %v", changed, err)
	}
}
