package ipam

import (
	"net/netip"
	"slices"

	"hawser/internal/host"
)

// pool is a subnet with all that is held in it. It outlives its Subnet while
// there are leases: what a holder has is never forgotten.
type pool struct {
	name   string
	subnet *Subnet  // nil: not (or no longer) known
	spaces []*space // one for each network
	byAddr map[netip.Addr]string
	byMAC  map[host.MAC]string
}

func newPool(name string) *pool {
	return &pool{name: name, byAddr: map[netip.Addr]string{}, byMAC: map[host.MAC]string{}}
}

// reshape gives the pool its space, anew or for the first time. Cursors stay.
func (p *pool) reshape(s *Subnet) {
	cursors := map[Family]netip.Addr{}
	for _, old := range p.spaces {
		cursors[old.family()] = old.cursor
	}
	p.subnet, p.spaces = s, nil
	if s == nil {
		return
	}
	for _, network := range s.Networks {
		fresh := newSpace(network, s.Excludes)
		if cursor := cursors[fresh.family()]; network.Prefix.Contains(cursor) {
			fresh.cursor = cursor
		}
		p.spaces = append(p.spaces, fresh)
	}
	for addr := range p.byAddr {
		if s := p.spaceFor(addr); s != nil {
			s.take(addr)
		}
	}
}

// spaceFor returns the space of the address' family; nil when there is none.
func (p *pool) spaceFor(addr netip.Addr) *space {
	for _, s := range p.spaces {
		if s.network.Prefix.Addr().BitLen() == addr.BitLen() {
			return s
		}
	}
	return nil
}

// find finds a lease without taking anything.
func (p *pool) find(want Request, random func() uint64) (Lease, error) {
	mac, err := p.chooseMAC(want.MAC, random)
	if err != nil {
		return Lease{}, err
	}
	addrs, err := p.choose(want)
	return Lease{Addresses: addrs, MAC: mac}, err
}

// choose finds addresses for a request without taking them.
func (p *pool) choose(want Request) ([]netip.Addr, error) {
	if len(want.Addresses) > 0 {
		return p.pinned(want.Addresses)
	}
	var refusal error
	for _, candidate := range want.Candidates {
		addrs, err := p.pinned(candidate)
		if err == nil {
			return addrs, nil
		}
		refusal = err
	}
	if refusal != nil {
		return nil, refusal
	}
	return p.pick(want.Only)
}

// pinned checks the addresses of a static request.
func (p *pool) pinned(addrs []netip.Addr) ([]netip.Addr, error) {
	for i, addr := range addrs {
		if slices.ContainsFunc(addrs[:i], func(other netip.Addr) bool { return FamilyOf(other) == FamilyOf(addr) }) {
			return nil, &Error{Reason: ErrOneOfEach, Address: addr}
		}
		if err := p.oddity(addr); err != nil {
			return nil, err
		}
		if by, taken := p.byAddr[addr]; taken {
			return nil, &Error{Reason: ErrTaken, Address: addr, By: by}
		}
	}
	return sorted(addrs), nil
}

// oddity says why nobody should have an address.
func (p *pool) oddity(addr netip.Addr) error {
	s := p.spaceFor(addr)
	switch {
	case s == nil || !s.network.Prefix.Contains(addr):
		return &Error{Reason: ErrOutside, Address: addr}
	case s.isReserved(addr):
		return &Error{Reason: ErrReserved, Address: addr}
	}
	return nil
}

// pick finds a free address of each family that is asked for. In a subnet
// without networks a holder has a MAC and nothing else.
func (p *pool) pick(only Family) ([]netip.Addr, error) {
	if len(p.spaces) == 0 {
		return nil, nil
	}
	var addrs []netip.Addr
	for _, s := range p.spaces {
		if only != BothFamilies && only != s.family() {
			continue
		}
		addr, ok := s.pick()
		if !ok {
			return nil, &Error{Reason: ErrFull, Family: s.family()}
		}
		addrs = append(addrs, addr)
	}
	if len(addrs) == 0 {
		return nil, &Error{Reason: ErrFull, Family: only}
	}
	return sorted(addrs), nil
}

// pass moves the cursors behind picked addresses.
func (p *pool) pass(addrs []netip.Addr) {
	for _, addr := range addrs {
		p.spaceFor(addr).pass(addr)
	}
}

// chooseMAC checks the MAC asked for, or draws one that is free.
func (p *pool) chooseMAC(want host.MAC, random func() uint64) (host.MAC, error) {
	if want.IsZero() {
		return p.drawMAC(random), nil
	}
	if want == p.subnet.RouterMAC {
		return host.MAC{}, &Error{Reason: ErrReserved, MAC: want}
	}
	if by, taken := p.byMAC[want]; taken {
		return host.MAC{}, &Error{Reason: ErrTaken, MAC: want, By: by}
	}
	return want, nil
}

// drawMAC draws until a MAC is free: with 46 random bits a second try is rare.
func (p *pool) drawMAC(random func() uint64) host.MAC {
	for {
		mac := localMAC(random())
		if _, taken := p.byMAC[mac]; !taken && mac != p.subnet.RouterMAC {
			return mac
		}
	}
}

// localMAC makes a locally administered unicast address (IEEE 802, the U/L and
// I/G bits) of 46 bits.
func localMAC(bits uint64) host.MAC {
	var mac host.MAC
	for i := range mac {
		mac[i] = byte(bits >> (8 * i))
	}
	mac[0] = mac[0]&^1 | 2
	return mac
}

// record makes holder the owner of a lease, none of which is held.
func (p *pool) record(holder string, lease Lease) {
	for _, addr := range lease.Addresses {
		p.byAddr[addr] = holder
		if s := p.spaceFor(addr); s != nil {
			s.take(addr)
		}
	}
	if !lease.MAC.IsZero() {
		p.byMAC[lease.MAC] = holder
	}
}

// release undoes record.
func (p *pool) release(lease Lease) {
	for _, addr := range lease.Addresses {
		delete(p.byAddr, addr)
		if s := p.spaceFor(addr); s != nil {
			s.release(addr)
		}
	}
	delete(p.byMAC, lease.MAC)
}

// conflict says whether anything of a lease belongs to somebody already.
func (p *pool) conflict(lease Lease) error {
	for _, addr := range lease.Addresses {
		if by, taken := p.byAddr[addr]; taken {
			return &Error{Reason: ErrTaken, Address: addr, By: by}
		}
	}
	if by, taken := p.byMAC[lease.MAC]; taken {
		return &Error{Reason: ErrTaken, MAC: lease.MAC, By: by}
	}
	return nil
}

// report says what is odd about a lease that exists.
func (p *pool) report(lease Lease) error {
	if p.subnet == nil {
		return &Error{Reason: ErrUnknownSubnet}
	}
	for _, addr := range lease.Addresses {
		if err := p.oddity(addr); err != nil {
			return err
		}
	}
	if !lease.MAC.IsZero() && lease.MAC == p.subnet.RouterMAC {
		return &Error{Reason: ErrReserved, MAC: lease.MAC}
	}
	return nil
}

func (p *pool) usage() Usage {
	usage := Usage{V4: emptyUsage(), V6: emptyUsage()}
	for _, s := range p.spaces {
		if s.family() == IPv4 {
			usage.V4 = s.usage()
		} else {
			usage.V6 = s.usage()
		}
	}
	return usage
}

// sorted returns a copy with IPv4 first.
func sorted(addrs []netip.Addr) []netip.Addr {
	return slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare)
}
