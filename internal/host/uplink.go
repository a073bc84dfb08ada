package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
)

// UplinkMark is the default of skb->mark for a frame that the shared uplink has
// bridged already. It is compared and cleared exactly.
const UplinkMark = 0x0b5e0000

// UplinkPins is the directory of the BPF filesystem in which the programs and
// maps of the shared uplinks are pinned, as <provider>/<NIC>.
const UplinkPins = "/sys/fs/bpf/hawser"

// Attachment is the way in which a NIC joins a provider network.
type Attachment string

// The attachments that a plan can ask for.
const (
	// AttachPort makes the NIC a port of the provider's bridge.
	AttachPort Attachment = "Port"
	// AttachShared leaves the NIC with the host, and taps it.
	AttachShared Attachment = "Shared"
)

// Uplink is a NIC's part in a provider network. Shared, it is tapped by a veth
// pair; as a Port, the NIC itself is in the bridge and the pair is not there.
//
//	NIC ═ programs ═ <Wire> ════ <Tap> ── <Bridge>
type Uplink struct {
	Provider   string
	NIC        string
	Index      int // the NIC's, by which a replugged one is told from the old one
	Attachment Attachment
	Bridge     string // "br-<provider>"
	Tap        string // the veth's end that is a port of the bridge, "hwo<hash8>"
	Wire       string // the veth's end that the programs use, "hww<hash8>"
	MTU        int    // of the NIC, in bytes; the pair follows it
	Mark       uint32 // of skb->mark, for "bridged already"
	TrustPods  bool   // router advertisements and DHCP answers of pods reach the host
	Userspace  bool   // the bridge is of the userspace datapath
	MAC        MAC    // of the NIC, for a bridge that takes it over
	Exchange   bool   // the bridge that takes it over has the NIC's name, and the NIC the bridge's
	Made       bool   // the NIC is a VLAN sub-interface that was made for the provider network
	Managed    bool   // NetworkManager has configured the NIC that is taken over, and is told of it

	// Of one among several uplinks of a bridge:

	Apart   bool // it exchanges no frames with the others, and stands by where it meets one
	Alone   bool // it stands by whenever another takes part
	Standby bool // it stands by for now: all is done, but that it is in the bridge
	RSTP    bool // the bridge takes part in the spanning tree outside, which blocks it where it meets another
	Place   int  // with RSTP: of those that meet, the one with the lowest takes part; from 1

	// Of one in a bond, all of which is one port of the bridge:

	Mode   BondMode
	Bonded string // the names of its devices, with commas between them (Members)
}

// Members are the devices of the bond, none where it is none.
func (u Uplink) Members() []string {
	return strings.FieldsFunc(u.Bonded, func(r rune) bool { return r == ',' })
}

// BondOf names the port that a provider's bond is.
func BondOf(provider string) string {
	sum := sha256.Sum256([]byte(provider))
	return "hwb" + hex.EncodeToString(sum[:4])
}

// Station is an address behind an uplink: what it learns and looks up.
type Station struct {
	VLAN int // 0 is untagged
	MAC  MAC
}

// BridgeOf names the bridge of a provider network.
func BridgeOf(provider string) string { return "br-" + provider }

// TapNames names the two ends of the pair that taps a NIC for a provider: the
// end in the bridge, and the end that the programs send through.
func TapNames(provider, nic string) (tap, wire string) {
	sum := sha256.Sum256([]byte(provider + "/" + nic))
	hash := hex.EncodeToString(sum[:4])
	return "hwo" + hash, "hww" + hash
}

// Alias is that of both ends of the pair: for people who wonder what they are, and
// for ReadAlias.
func (u Uplink) Alias() string { return "uplink " + u.NIC + aliasOf + u.Provider }

const aliasOf = " of provider network "

// ReadAlias gives the shared uplink that a device of this alias belongs to.
func ReadAlias(alias string) (up Uplink, ok bool) {
	nic, provider, ok := strings.Cut(strings.TrimPrefix(alias, "uplink "), aliasOf)
	up = SharedUplink(provider, nic)
	return up, ok && up.Alias() == alias
}

// SharedUplink names what belongs to a NIC that is shared with a provider network.
func SharedUplink(provider, nic string) Uplink {
	tap, wire := TapNames(provider, nic)
	return Uplink{Provider: provider, NIC: nic, Attachment: AttachShared, Bridge: BridgeOf(provider), Tap: tap, Wire: wire}
}

// ErrKernelUnsupported says that this kernel, or what a container lets us have
// of it, cannot carry a shared uplink. The error around it says what is missing.
var ErrKernelUnsupported = errors.New("a shared uplink needs what this kernel does not offer")

// Behind is what is behind the bridge of an uplink.
type Behind struct {
	// Stations are the addresses of local ports. One of them that is also the
	// host's own or its next hop's is not believed. OVN itself has none here: its
	// routers and the wire are kept apart (docs/decisions/0008).
	Stations []Station
	// Learn lets further stations be learned: there is a port with layer2_forward.
	Learn bool
}

// UplinkState is what is there of a shared uplink.
type UplinkState struct {
	Pair    bool   // both ends of the veth pair
	Loaded  bool   // programs and maps are pinned, of this build and with these settings
	Hook    string // "tcx" or "clsact", where all three programs see frames
	Promisc bool   // the NIC takes frames for other addresses
	Carrier bool   // of the NIC, which is also up
	Limits  []UplinkLimit
}

// Attached tells whether frames pass between the NIC and the pair, as this build
// would have it.
func (s UplinkState) Attached() bool { return s.Pair && s.Loaded && s.Hook != "" && s.Promisc }

// UplinkLimit is something that the NIC cannot do and a person should know: a
// condition.
type UplinkLimit struct {
	Reason  string // one word in CamelCase
	Message string
}

// Probe is what a next hop of the host answered when it was asked who it is from
// the NIC's own address, and from one that nobody has.
type Probe struct {
	Asked   netip.Addr // the zero Addr where the host has no next hop on the NIC
	Own     bool       // it answered the NIC's address
	Foreign bool       // and the other one
}

// Blocked tells that the physical network lets nobody through but the NIC.
func (p Probe) Blocked() bool { return p.Own && !p.Foreign }

// Tally counts frames and their bytes.
type Tally struct{ Frames, Bytes uint64 }

// UplinkCounters are what the programs of an uplink counted since they were
// loaded first; they survive the agent and its upgrades. A frame and each copy of
// it count for themselves. "Switch" is the provider's bridge.
type UplinkCounters struct {
	WireToHost, WireToSwitch   Tally
	HostToWire, HostToSwitch   Tally
	SwitchToWire, SwitchToHost Tally
	Flooded                    Tally // to both other ports, because the destination was unknown
	Spoofed                    Tally // from the bridge, with the source of somebody else
	Reflected                  Tally // from the wire, with the source of one of ours
	Guarded                    Tally // router advertisements and the like, kept from the host
	Failed                     Tally // copies that the kernel refused
}
