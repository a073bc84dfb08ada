package claim

import (
	"net/netip"

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
	e, ok := b.ledger.entries[name]
	if !ok {
		if _, ok := b.expected[name]; ok {
			return Judgement{Verdict: Pending}
		}
		return Judgement{Verdict: Absent}
	}
	if _, ok := b.leaving[e.ip.UID]; ok || e.ip.DeletionTimestamp != nil {
		return Judgement{Verdict: Going, IP: e.ip}
	}
	verdict, rival := b.ledger.judge(e)
	return Judgement{Verdict: verdict, IP: e.ip, Rival: rival}
}

// Holders lists the objects that hold one of these addresses of a subnet, the
// elder first.
func (b *Book) Holders(subnet string, addresses []netip.Addr) []*kubeovnv1.IP {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.ledger.holding(subnet, addresses)
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
	if known := b.ledger.object(ip.Name); known != nil && known.UID == ip.UID {
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
