package ipam

import (
	"math/big"
	"net/netip"

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
// "10.16.0.2,10.16.0.4-10.16.0.9".
type FamilyUsage struct {
	Using, Available           *big.Int
	UsingRange, AvailableRange string
}

// Registry is safe for concurrent use.
type Registry struct{}

// New makes an empty Registry. MACs are drawn from random.
func New(random func() uint64) *Registry { panic("skeleton") }

// SetSubnet adds a subnet or changes it. Leases stay as they are, also those
// that the new networks or excludes would no longer give.
func (r *Registry) SetSubnet(s Subnet) { panic("skeleton") }

// RemoveSubnet forgets a subnet's space. Leases in it last until released.
func (r *Registry) RemoveSubnet(name string) { panic("skeleton") }

// Allocate gives holder a lease, or the one it has if that satisfies the
// request. It fails with an *Error.
func (r *Registry) Allocate(subnet, holder string, want Request) (Lease, error) { panic("skeleton") }

// Restore records a lease that exists already. ErrTaken and ErrHeld record
// nothing; ErrOutside, ErrReserved and ErrUnknownSubnet are reports only: the
// holder has what it has, and no other may get it. Call SetSubnet first.
func (r *Registry) Restore(subnet, holder string, lease Lease) error { panic("skeleton") }

// Release takes back all that holder has. Releasing twice is harmless.
func (r *Registry) Release(holder string) { panic("skeleton") }

// Lease tells what holder has, and in which subnet.
func (r *Registry) Lease(holder string) (subnet string, lease Lease, ok bool) { panic("skeleton") }

// Holder tells who has an address of a subnet.
func (r *Registry) Holder(subnet string, addr netip.Addr) (holder string, ok bool) { panic("skeleton") }

// Usage tells how full a subnet is; zero counts for an unknown one.
func (r *Registry) Usage(subnet string) Usage { panic("skeleton") }
