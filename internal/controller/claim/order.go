package claim

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	kubeovnv1 "hawser/api/v1"
)

// Verdict is what the Book says about a claim.
type Verdict int

// The verdicts.
const (
	// Absent: there is no such object, and none is on its way.
	Absent Verdict = iota
	// Pending: the object was created by us but has not come back yet, or a
	// rival has to go first. A change will be told.
	Pending
	// Going: we have asked for the object to be deleted, and it is still there.
	Going
	// Lost: an older object holds one of the addresses.
	Lost
	// Won: the addresses belong to the object until it is deleted.
	Won
)

// Judgement is a Verdict and what it is about.
type Judgement struct {
	Verdict Verdict
	IP      *kubeovnv1.IP // nil while nothing has been seen
	Rival   string        // who has it, with Lost, or is waited for, with Pending
}

// Judge decides about the claim of an object by its name.
func (b *Book) Judge(name string) Judgement {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e, ok := b.entries[name]
	if !ok {
		if _, ok := b.expected[name]; ok {
			return Judgement{Verdict: Pending}
		}
		return Judgement{Verdict: Absent}
	}
	if _, ok := b.leaving[e.ip.UID]; ok || e.ip.DeletionTimestamp != nil {
		return Judgement{Verdict: Going, IP: e.ip}
	}
	verdict, rival := b.judge(e)
	return Judgement{Verdict: verdict, IP: e.ip, Rival: rival}
}

func (b *Book) judge(e *entry) (verdict Verdict, rival string) {
	verdict = Won
	for _, k := range e.keys {
		for _, other := range b.holders[k] {
			switch {
			case other == e || other.since > e.since:
				continue
			case other.since < e.since, b.compare(other, e) < 0:
				return Lost, other.ip.Name
			}
			verdict, rival = Pending, other.ip.Name
		}
	}
	return verdict, rival
}

// Holders lists the objects that hold one of these addresses of a subnet, the
// elder first.
func (b *Book) Holders(subnet string, addresses []netip.Addr) []*kubeovnv1.IP {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var found []*entry
	for _, addr := range addresses {
		for _, e := range b.holders[key{subnet: subnet, address: addr}] {
			if !slices.Contains(found, e) {
				found = append(found, e)
			}
		}
	}
	slices.SortFunc(found, b.compare)
	holders := make([]*kubeovnv1.IP, len(found))
	for i, e := range found {
		holders[i] = e.ip
	}
	return holders
}

// Expect notes that we are about to create an object: until it comes back in
// the watch, or Unexpect is called because it was not created, it is Pending.
func (b *Book) Expect(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected[name] = struct{}{}
}

// Unexpect takes Expect back.
func (b *Book) Unexpect(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.expected, name)
}

// Leave notes that we are about to delete an object, so that nothing is built
// on it any more. Once confirmed, only its disappearance is waited for.
func (b *Book) Leave(ip *kubeovnv1.IP, confirmed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.entries[ip.Name]; ok && e.ip.UID == ip.UID {
		b.leaving[ip.UID] = b.leaving[ip.UID] || confirmed
	}
}

// Leaving tells whether the API server has confirmed that an object is to be
// deleted.
func (b *Book) Leaving(uid types.UID) (confirmed bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.leaving[uid]
}

// compare sorts entries: the elder first, and within one state of the stream
// the one that has more right to its addresses.
func (b *Book) compare(x, y *entry) int {
	return cmp.Or(
		cmp.Compare(x.since, y.since),
		-compareBool(b.inUse(x.ip), b.inUse(y.ip)),
		x.ip.CreationTimestamp.Compare(y.ip.CreationTimestamp.Time),
		compareVersions(x.ip.ResourceVersion, y.ip.ResourceVersion),
		strings.Compare(string(x.ip.UID), string(y.ip.UID)),
	)
}

// compareNames sorts names by their entries, those that are gone first.
func (b *Book) compareNames(x, y string) int {
	ex, okX := b.entries[x]
	ey, okY := b.entries[y]
	if okX && okY {
		return b.compare(ex, ey)
	}
	return cmp.Or(compareBool(okX, okY), strings.Compare(x, y))
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}

// compareVersions compares resourceVersions, which are numbers of any size from
// Kubernetes 1.35 on. Where one is not a number nothing is said.
func compareVersions(x, y string) int {
	nx, errX := strconv.ParseUint(x, 10, 64)
	ny, errY := strconv.ParseUint(y, 10, 64)
	if errX != nil || errY != nil {
		return 0
	}
	return cmp.Compare(nx, ny)
}
