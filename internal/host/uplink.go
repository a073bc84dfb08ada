package host

import (
	"crypto/sha256"
	"encoding/hex"
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
	RSTP       bool   // bridge protocol data units pass between the wire and the bridge
	Userspace  bool   // the bridge is of the userspace datapath
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
