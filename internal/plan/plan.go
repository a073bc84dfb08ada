// Package plan holds what all planners share: the Problem, by which a pure
// function says that an object cannot be realised as written. The planners
// themselves live in the folders below; they turn API objects into the words
// of the virtual network and touch nothing.
package plan

import "hawser/internal/logical"

// Problem is a mistake of a user, or something not built yet. It becomes a
// condition and an event on Object; retrying does not help, only a change of
// the object does.
type Problem struct {
	Object  logical.Owner
	Reason  Reason
	Message string // one line: what, where, what to do
}

// Reason is the machine-readable CamelCase word of a condition or event.
type Reason string

// The reasons in use.
const (
	Malformed       Reason = "Malformed"       // a value cannot be read
	OutOfSubnet     Reason = "OutOfSubnet"     // an address is not of the subnet
	Overlap         Reason = "Overlap"         // two networks share addresses
	NameClash       Reason = "NameClash"       // two kinds share one OVN name
	UnknownSubnet   Reason = "UnknownSubnet"   // no such Subnet
	UnknownVpc      Reason = "UnknownVpc"      // no such Vpc
	UnknownVlan     Reason = "UnknownVlan"     // no such Vlan
	UnknownProvider Reason = "UnknownProvider" // no such ProviderNetwork
	InterfaceInUse  Reason = "InterfaceInUse"  // a NIC is another provider network's
	Unsupported     Reason = "Unsupported"     // asks for protection that is not built: not realised
	InUse           Reason = "InUse"           // a change would take an address from its holder
	AddressConflict Reason = "AddressConflict" // an older object has the address
	SubnetFull      Reason = "SubnetFull"      // no address left
	MissingAddress  Reason = "MissingAddress"  // an object that others need has no address yet
)

func (p Problem) String() string {
	return p.Object.String() + ": " + string(p.Reason) + ": " + p.Message
}
