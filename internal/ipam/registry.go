package ipam

import (
	"errors"
	"math/big"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"

	"hawser/internal/host"
)

// Subnet is the space that addresses are taken from.
type Subnet struct {
	Name     string
	Networks []Network // at most one of each family
	// Excludes are never handed out unasked. A static request may name one:
	// that is what the contract keeps them for.
	Excludes []Range
	// RouterMAC is the MAC of the subnet's gateway, which no holder gets.
	RouterMAC host.MAC
}

// Network is one family of a Subnet.
type Network struct {
	Prefix  netip.Prefix // masked
	Gateway netip.Addr   // never handed out; may be zero
}

// Usage is what a subnet's status tells, by family.
type Usage struct{ V4, V6 FamilyUsage }

// FamilyUsage counts and lists addresses. Ranges are written
// "10.16.0.2,10.16.0.4-10.16.0.9"; after 1024 of them the text ends with ",…".
type FamilyUsage struct {
	Using, Available           *big.Int
	UsingRange, AvailableRange string
}

func emptyUsage() FamilyUsage {
	return FamilyUsage{Using: new(big.Int), Available: new(big.Int)}
}

// Registry holds the addresses of all subnets. It is safe for concurrent use.
type Registry struct {
	random func() uint64

	mu      sync.Mutex
	pools   map[string]*pool
	holders map[string]held
}

// held is a lease and where it is from. A holder is an IP object's name, and
// such an object is of one subnet.
type held struct {
	subnet string
	lease  Lease
}

// New makes an empty Registry. MACs are drawn from random, which has to give
// well scattered values; it is called under a lock, by one goroutine at a time.
func New(random func() uint64) *Registry {
	return &Registry{random: random, pools: map[string]*pool{}, holders: map[string]held{}}
}

// SetSubnet adds a subnet or changes it. Leases stay as they are, also those
// that the new networks or excludes would no longer give.
func (r *Registry) SetSubnet(s Subnet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pool(s.Name)
	if p.subnet == nil || !reflect.DeepEqual(*p.subnet, s) {
		p.reshape(&s)
	}
}

// Misfit says what a change of a subnet would do to those who hold addresses of
// it: nil, or an *Error with the lowest address that fits now and would then be
// ErrOutside or ErrReserved. What does not fit as it is, is not counted.
func (r *Registry) Misfit(changed Subnet) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.pools[changed.Name]
	if now == nil || now.subnet == nil || reflect.DeepEqual(*now.subnet, changed) {
		return nil
	}
	then := newPool(changed.Name)
	then.reshape(&changed)
	var lowest *Error
	for addr, holder := range now.byAddr {
		if now.oddity(addr) == nil && (lowest == nil || addr.Less(lowest.Address)) && errors.As(then.oddity(addr), &lowest) {
			lowest.Subnet, lowest.By = changed.Name, holder
		}
	}
	if lowest == nil {
		return nil
	}
	return lowest
}

// RemoveSubnet forgets a subnet's space. Leases in it last until released.
func (r *Registry) RemoveSubnet(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pools[name]; p != nil {
		p.reshape(nil)
		r.dropUnused(p)
	}
}

// Allocate gives holder a lease, or the one it has if that satisfies the
// request. It fails with an *Error.
func (r *Registry) Allocate(subnet, holder string, want Request) (Lease, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pools[subnet]
	if p == nil || p.subnet == nil {
		return Lease{}, &Error{Reason: ErrUnknownSubnet, Subnet: subnet, Holder: holder}
	}
	if have, ok := r.holders[holder]; ok {
		return have.answer(subnet, holder, want)
	}
	lease, err := p.find(want, r.random)
	if err != nil {
		return Lease{}, placed(err, subnet, holder)
	}
	if want.isUnpinned() {
		p.pass(lease.Addresses)
	}
	r.record(p, holder, lease)
	return lease.clone(), nil
}

// Restore records a lease that exists already. ErrTaken and ErrHeld record
// nothing; ErrOutside, ErrReserved and ErrUnknownSubnet are reports only: the
// holder has what it has, and no other may get it.
func (r *Registry) Restore(subnet, holder string, lease Lease) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	lease = lease.clone()
	if have, ok := r.holders[holder]; ok {
		if have.subnet == subnet && reflect.DeepEqual(have.lease, lease) {
			return nil
		}
		return &Error{Reason: ErrHeld, Subnet: subnet, Holder: holder, By: have.String()}
	}
	p := r.pool(subnet)
	if err := p.conflict(lease); err != nil {
		r.dropUnused(p)
		return placed(err, subnet, holder)
	}
	r.record(p, holder, lease)
	return placed(p.report(lease), subnet, holder)
}

// Release takes back all that holder has. Releasing twice is harmless.
func (r *Registry) Release(holder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	have, ok := r.holders[holder]
	if !ok {
		return
	}
	delete(r.holders, holder)
	p := r.pool(have.subnet)
	p.release(have.lease)
	r.dropUnused(p)
}

// Lease tells what holder has, and in which subnet.
func (r *Registry) Lease(holder string) (subnet string, lease Lease, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	have, ok := r.holders[holder]
	return have.subnet, have.lease.clone(), ok
}

// Holder tells who has an address of a subnet.
func (r *Registry) Holder(subnet string, addr netip.Addr) (holder string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pools[subnet]; p != nil {
		holder, ok = p.byAddr[addr]
	}
	return holder, ok
}

// Usage tells how full a subnet is; zero counts for an unknown one.
func (r *Registry) Usage(subnet string) Usage {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pools[subnet]; p != nil {
		return p.usage()
	}
	return Usage{V4: emptyUsage(), V6: emptyUsage()}
}

// pool returns the subnet's pool, a new one if need be.
func (r *Registry) pool(subnet string) *pool {
	p := r.pools[subnet]
	if p == nil {
		p = newPool(subnet)
		r.pools[subnet] = p
	}
	return p
}

// dropUnused forgets a pool that is not known and in which nothing is held.
func (r *Registry) dropUnused(p *pool) {
	if p.subnet == nil && len(p.byAddr) == 0 && len(p.byMAC) == 0 {
		delete(r.pools, p.name)
	}
}

func (r *Registry) record(p *pool, holder string, lease Lease) {
	p.record(holder, lease)
	r.holders[holder] = held{p.name, lease}
}

// answer is for a holder that asks again.
func (h held) answer(subnet, holder string, want Request) (Lease, error) {
	if h.subnet == subnet && want.metBy(h.lease) {
		return h.lease.clone(), nil
	}
	return Lease{}, &Error{Reason: ErrHeld, Subnet: subnet, Holder: holder, By: h.String()}
}

func (h held) String() string {
	words := []string{"in subnet", h.subnet}
	for _, addr := range h.lease.Addresses {
		words = append(words, addr.String())
	}
	return strings.Join(append(words, h.lease.MAC.String()), " ")
}

// placed completes an *Error with what the pool does not know.
func placed(err error, subnet, holder string) error {
	var refusal *Error
	if errors.As(err, &refusal) {
		refusal.Subnet, refusal.Holder = subnet, holder
	}
	return err
}

func (w Request) isUnpinned() bool { return len(w.Addresses) == 0 && len(w.Candidates) == 0 }

// metBy tells whether a lease is what the request asks for.
func (w Request) metBy(lease Lease) bool {
	if !w.MAC.IsZero() && w.MAC != lease.MAC {
		return false
	}
	isLease := func(addrs []netip.Addr) bool { return slices.Equal(sorted(addrs), lease.Addresses) }
	if len(w.Addresses) > 0 {
		return isLease(w.Addresses)
	}
	return len(w.Candidates) == 0 || slices.ContainsFunc(w.Candidates, isLease)
}

// clone copies, IPv4 first, so that nobody can change what the Registry holds.
func (l Lease) clone() Lease { return Lease{Addresses: sorted(l.Addresses), MAC: l.MAC} }
