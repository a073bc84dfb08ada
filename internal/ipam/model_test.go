package ipam

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"hawser/internal/host"
)

// model is the plainest thing that behaves as a Registry with one subnet does:
// maps, and a search from address to address.
type model struct {
	subnet  Subnet
	cursors map[Family]netip.Addr
	holders map[string]Lease
	byAddr  map[netip.Addr]string
	byMAC   map[host.MAC]string
}

// shapes are what the subnet changes to: grown, other excludes, one family.
var shapes = []Subnet{
	subnet("s", "10.16.0.0/27 10.16.0.1 fd00::/123 fd00::1"),
	subnet("s", "10.16.0.0/26 10.16.0.1 fd00::/122 fd00::1"),
	subnet("s", "10.16.0.0/26 10.16.0.9 fd00::/122 fd00::9", "10.16.0.16..10.16.0.31", "fd00::3", "fd00::21..fd00::25"),
	subnet("s", "10.16.0.32/27 10.16.0.33", "10.16.0.40..10.16.0.50"),
	subnet("s", "fd00::/122 fd00::1"),
}

// TestAgainstModel makes a million random operations, predicts each answer by
// the model, and so shows that no two holders ever have one address or MAC,
// that nothing is lost, and in which order addresses are given.
func TestAgainstModel(t *testing.T) {
	operations := 1_000_000
	if testing.Short() {
		operations = 50_000
	}
	random := rand.New(rand.NewPCG(2026, 11))
	r := New(random.Uint64)
	m := &model{cursors: map[Family]netip.Addr{}, holders: map[string]Lease{}, byAddr: map[netip.Addr]string{}, byMAC: map[host.MAC]string{}}
	m.setSubnet(r, shapes[0])
	for i := range operations {
		if err := m.operate(r, random); err != nil {
			t.Fatalf("operation %d: %v", i, err)
		}
		if i%1000 == 0 {
			if err := m.compareUsage(r); err != nil {
				t.Fatalf("after operation %d: %v", i, err)
			}
		}
	}
}

func (m *model) operate(r *Registry, random *rand.Rand) error {
	holder := fmt.Sprintf("pod-%d", random.IntN(80))
	switch kind := random.IntN(1000); {
	case kind < 2:
		m.setSubnet(r, shapes[random.IntN(len(shapes))])
		return nil
	case kind < 450:
		m.release(holder)
		r.Release(holder)
		return nil
	case kind < 500:
		return m.restore(r, holder, Lease{someAddrs(random), someMAC(random)})
	case kind < 600:
		return m.allocate(r, holder, Request{Addresses: someAddrs(random)})
	case kind < 650:
		return m.allocate(r, holder, Request{Candidates: [][]netip.Addr{someAddrs(random), someAddrs(random)}})
	case kind < 700:
		return m.allocate(r, holder, Request{MAC: someMAC(random), Only: Family(random.IntN(3))})
	}
	return m.allocate(r, holder, Request{})
}

func (m *model) setSubnet(r *Registry, s Subnet) {
	r.SetSubnet(s)
	cursors := map[Family]netip.Addr{}
	for _, network := range s.Networks {
		family := FamilyOf(network.Gateway)
		cursors[family] = network.Prefix.Addr()
		if old := m.cursors[family]; network.Prefix.Contains(old) {
			cursors[family] = old
		}
	}
	m.subnet, m.cursors = s, cursors
}

// allocate asks both and compares. The MAC of the answer can only be checked.
func (m *model) allocate(r *Registry, holder string, want Request) error {
	lease, err := r.Allocate("s", holder, want)
	if have, ok := m.holders[holder]; ok {
		met := want.metBy(have)
		if met != (err == nil) || met && (lease.text() != have.text() || lease.MAC != have.MAC) || !met && !errors.Is(err, ErrHeld) {
			return fmt.Errorf("%s has %v, asked for %v and got %v, %v", holder, have, want, lease, err)
		}
		return nil
	}
	expected, ok := m.expect(want)
	if ok != (err == nil) || ok && (Lease{Addresses: expected}).text() != lease.text() {
		return fmt.Errorf("%s asked for %v: got %v, %v; expected %v", holder, want, lease, err, expected)
	}
	if err != nil {
		return nil
	}
	if _, taken := m.byMAC[lease.MAC]; taken || lease.MAC == m.subnet.RouterMAC || lease.MAC.IsZero() || !want.MAC.IsZero() && lease.MAC != want.MAC {
		return fmt.Errorf("%s asked for %v and got MAC %s", holder, want, lease.MAC)
	}
	if want.isUnpinned() {
		for _, a := range expected {
			m.cursors[FamilyOf(a)] = a.Next()
		}
	}
	m.record(holder, lease)
	return nil
}

func (m *model) expect(want Request) ([]netip.Addr, bool) {
	if _, taken := m.byMAC[want.MAC]; taken || want.MAC == m.subnet.RouterMAC {
		return nil, false
	}
	if want.isUnpinned() {
		return m.firstFree(want.Only)
	}
	candidates := want.Candidates
	if len(want.Addresses) > 0 {
		candidates = [][]netip.Addr{want.Addresses}
	}
	for _, candidate := range candidates {
		free := true
		for _, a := range candidate {
			_, held := m.byAddr[a]
			free = free && !held && m.isHost(a)
		}
		if free {
			return sorted(candidate), true
		}
	}
	return nil, false
}

func (m *model) firstFree(only Family) (found []netip.Addr, ok bool) {
	for _, network := range m.subnet.Networks {
		if only != BothFamilies && only != FamilyOf(network.Gateway) {
			continue
		}
		a, ok := m.firstFreeOf(network)
		if !ok {
			return nil, false
		}
		found = append(found, a)
	}
	return found, len(found) > 0
}

func (m *model) firstFreeOf(network Network) (netip.Addr, bool) {
	a := m.cursors[FamilyOf(network.Gateway)]
	for range 2 {
		for ; network.Prefix.Contains(a); a = a.Next() {
			if _, held := m.byAddr[a]; !held && m.isHost(a) && !m.isExcluded(a) {
				return a, true
			}
		}
		a = network.Prefix.Addr()
	}
	return netip.Addr{}, false
}

func (m *model) isHost(a netip.Addr) bool {
	for _, network := range m.subnet.Networks {
		isBroadcast := a.Is4() && !network.Prefix.Contains(a.Next())
		if network.Prefix.Contains(a) {
			return a != network.Gateway && a != network.Prefix.Addr() && !isBroadcast
		}
	}
	return false
}

func (m *model) isExcluded(a netip.Addr) bool {
	for _, r := range m.subnet.Excludes {
		if !a.Less(r.First) && !r.Last.Less(a) && a.Is4() == r.First.Is4() {
			return true
		}
	}
	return false
}

func (m *model) restore(r *Registry, holder string, lease Lease) error {
	err := r.Restore("s", holder, lease)
	if have, ok := m.holders[holder]; ok {
		same := have.MAC == lease.MAC && have.text() == Lease{Addresses: sorted(lease.Addresses)}.text()
		if same != (err == nil) || !same && !errors.Is(err, ErrHeld) {
			return fmt.Errorf("%s has %v; restoring %v said %v", holder, have, lease, err)
		}
		return nil
	}
	_, conflict := m.byMAC[lease.MAC]
	odd := lease.MAC == m.subnet.RouterMAC
	for _, a := range lease.Addresses {
		_, held := m.byAddr[a]
		conflict = conflict || held
		odd = odd || !m.isHost(a)
	}
	if conflict != errors.Is(err, ErrTaken) || !conflict && odd != (err != nil) {
		return fmt.Errorf("restoring %v for %s said %v", lease, holder, err)
	}
	if !conflict {
		m.record(holder, Lease{sorted(lease.Addresses), lease.MAC})
	}
	return nil
}

func (m *model) record(holder string, lease Lease) {
	m.holders[holder] = lease
	m.byMAC[lease.MAC] = holder
	for _, a := range lease.Addresses {
		m.byAddr[a] = holder
	}
}

func (m *model) release(holder string) {
	for _, a := range m.holders[holder].Addresses {
		delete(m.byAddr, a)
	}
	delete(m.byMAC, m.holders[holder].MAC)
	delete(m.holders, holder)
}

// compareUsage counts from scratch, and checks every holder.
func (m *model) compareUsage(r *Registry) error {
	for holder, lease := range m.holders {
		if _, have, _ := r.Lease(holder); have.text() != lease.text() || have.MAC != lease.MAC {
			return fmt.Errorf("%s has %v, not %v", holder, have, lease)
		}
	}
	usage := r.Usage("s")
	for _, network := range m.subnet.Networks {
		got := usage.V4
		if network.Gateway.Is6() {
			got = usage.V6
		}
		if want := m.countUsage(network); want != fmt.Sprint(got.Using, got.Available, got.UsingRange, got.AvailableRange) {
			return fmt.Errorf("usage %v, expected %s", got, want)
		}
	}
	return nil
}

func (m *model) countUsage(network Network) string {
	var using, available int
	var held, free rangeSet
	for a := range m.byAddr {
		if a.Is4() == network.Gateway.Is4() {
			using++
			held.add(single(a))
		}
	}
	for a := network.Prefix.Addr(); network.Prefix.Contains(a); a = a.Next() {
		if _, held := m.byAddr[a]; !held && m.isHost(a) && !m.isExcluded(a) {
			available++
			free.add(single(a))
		}
	}
	return fmt.Sprint(using, available, held.text(999), free.text(999))
}

// someAddrs draws one or two addresses in and around the shapes.
func someAddrs(random *rand.Rand) []netip.Addr {
	v4 := netip.AddrFrom4([4]byte{10, 16, 0, byte(random.IntN(70))})
	v6 := netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(random.IntN(70))})
	switch random.IntN(4) {
	case 0:
		return []netip.Addr{v4}
	case 1:
		return []netip.Addr{v6}
	case 2:
		return []netip.Addr{v6, v4}
	}
	return []netip.Addr{v4, v6}
}

// someMAC draws from few, so that they clash; one is the gateway's.
func someMAC(random *rand.Rand) host.MAC {
	return host.MAC{0x0a, 0, 0, 0, 0, byte(1 + random.IntN(60))}
}
