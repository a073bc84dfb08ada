package ipam

import (
	"errors"
	"fmt"
	"net/netip"

	"hawser/internal/host"
)

// The reasons for which a Registry refuses; test with errors.Is. The error
// itself is an *Error and says which subnet, which address and who holds it.
var (
	// ErrUnknownSubnet: no SetSubnet was made for this name (yet).
	ErrUnknownSubnet = errors.New("unknown subnet")
	// ErrFull: no address is left, or none of the candidates is.
	ErrFull = errors.New("no address left")
	// ErrTaken: another holder has the address or MAC.
	ErrTaken = errors.New("taken")
	// ErrOutside: the address is in none of the subnet's networks.
	ErrOutside = errors.New("outside the subnet")
	// ErrReserved: the address is the gateway, the network or the broadcast
	// address, or the MAC is the gateway's.
	ErrReserved = errors.New("reserved")
	// ErrOneOfEach: a static request names two addresses of one family.
	ErrOneOfEach = errors.New("two addresses of one family")
	// ErrHeld: the holder already has a lease that is not what it now asks
	// for. It has to be released first.
	ErrHeld = errors.New("holder has another lease")
)

// Error is a refusal with its particulars; what does not apply is zero.
type Error struct {
	Reason  error // one of the Err variables
	Subnet  string
	Holder  string // who asked
	Address netip.Addr
	MAC     host.MAC
	Family  Family // of ErrFull
	By      string // of ErrTaken and Misfit: who has it; of ErrHeld: what it has
}

// Unwrap makes errors.Is find the reason.
func (e *Error) Unwrap() error { return e.Reason }

func (e *Error) Error() string {
	switch {
	case errors.Is(e.Reason, ErrFull):
		return fmt.Sprintf("subnet %s has no free %s address left", e.Subnet, e.Family)
	case errors.Is(e.Reason, ErrTaken):
		return fmt.Sprintf("%s of subnet %s is held by %s", e.subject(), e.Subnet, e.By)
	case errors.Is(e.Reason, ErrOutside):
		return fmt.Sprintf("%s is outside subnet %s", e.subject(), e.Subnet)
	case errors.Is(e.Reason, ErrReserved):
		return fmt.Sprintf("%s is reserved in subnet %s", e.subject(), e.Subnet)
	case errors.Is(e.Reason, ErrHeld):
		return fmt.Sprintf("%s already has an address %s", e.Holder, e.By)
	case errors.Is(e.Reason, ErrOneOfEach):
		return fmt.Sprintf("%s is a second one of its family", e.subject())
	}
	return fmt.Sprintf("subnet %s: %v", e.Subnet, e.Reason)
}

func (e *Error) subject() string {
	if e.Address.IsValid() {
		return "address " + e.Address.String()
	}
	return "MAC " + e.MAC.String()
}
