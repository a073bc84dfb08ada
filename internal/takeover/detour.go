package takeover

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// detours lead what a NIC hears to the bridge past Open vSwitch, by provider network,
// while the NIC becomes a port. The kernel's datapath has a port before ovs-vswitchd
// knows of it, and for a flow that comes in between ovs-vswitchd has the kernel drop
// it until it looks again, up to half a second later (ofproto-dpif-upcall.c,
// process_upcall, ENODEV). The userspace datapath needs none: the host hears the NIC
// as before.
//
// A detour lives by a descriptor of this process. Whenever that ends there is none,
// and frames go the way that the steps done so far give them.
type detours map[string]link.Link

// open needs tcx (Linux 6.6); without it some packets are lost. It changes nothing
// for a NIC that is a port already: pods may be behind it.
func (d detours) open(door *door, u host.Uplink, nic, bridge device) error {
	if u.Userspace || d[u.Provider] != nil {
		return nil
	}
	device, err := door.handle.LinkByIndex(nic.index)
	if err != nil || isPort(device, u) {
		return err
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "hawser_detour", Type: ebpf.SchedCLS, License: "Apache-2.0", Instructions: detourTo(bridge.index),
	})
	if err != nil {
		return fmt.Errorf("load the detour from %s to %s: %w", nic.name, bridge.name, err)
	}
	defer program.Close()
	made, err := link.AttachTCX(link.TCXOptions{Interface: nic.index, Program: program, Attach: ebpf.AttachTCXIngress})
	if errors.Is(err, ebpf.ErrNotSupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lead what %s hears to %s: %w", nic.name, bridge.name, err)
	}
	d[u.Provider] = made
	return nil
}

// close ends a detour, if there is one.
func (d detours) close(provider string) error {
	made, found := d[provider]
	if !found {
		return nil
	}
	delete(d, provider)
	if err := made.Close(); err != nil {
		return fmt.Errorf("end the detour past Open vSwitch: %w", err)
	}
	return nil
}

// Where a program finds what it asks for: in struct __sk_buff (linux/bpf.h), and in a
// frame, from its first byte.
const (
	skbProtocol    = 16
	skbVLANPresent = 20

	ethernetHeader = 14
	ipv6NextHeader = ethernetHeader + 6
	icmpv6Type     = ethernetHeader + 40
)

// The messages of neighbour discovery are a range of types (RFC 4861, 4).
const (
	firstNeighbourType = 133
	lastNeighbourType  = 137
)

// What a program returns for a frame to go on as if it were not there (TCX_NEXT), and
// says for one to be heard by a device, not sent (linux/bpf.h, BPF_F_INGRESS).
const (
	goOn    = -1
	ingress = 1
)

// detourTo gives a device the host's untagged IP. What NIC and bridge both ask for,
// until routes are led through the bridge, both hear: ARP and neighbour discovery.
// Tagged frames go on, to the VLANs on the NIC.
func detourTo(device int) asm.Instructions {
	const lead, both, pass = "lead", "both", "pass"
	return asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1), // where LoadAbs expects it
		asm.LoadMem(asm.R2, asm.R6, skbVLANPresent, asm.Word),
		asm.JNE.Imm(asm.R2, 0, pass),
		asm.LoadMem(asm.R2, asm.R6, skbProtocol, asm.Word),
		asm.JEq.Imm(asm.R2, inFrame(unix.ETH_P_ARP), both),
		asm.JEq.Imm(asm.R2, inFrame(unix.ETH_P_IP), lead),
		asm.JNE.Imm(asm.R2, inFrame(unix.ETH_P_IPV6), pass),
		asm.LoadAbs(ipv6NextHeader, asm.Byte),
		asm.JNE.Imm(asm.R0, unix.IPPROTO_ICMPV6, lead),
		asm.LoadAbs(icmpv6Type, asm.Byte),
		asm.JLT.Imm(asm.R0, firstNeighbourType, lead),
		asm.JGT.Imm(asm.R0, lastNeighbourType, lead),

		asm.Mov.Reg(asm.R1, asm.R6).WithSymbol(both),
		asm.Mov.Imm(asm.R2, int32(device)),
		asm.Mov.Imm(asm.R3, ingress),
		asm.FnCloneRedirect.Call(),
		asm.Mov.Imm(asm.R0, goOn).WithSymbol(pass),
		asm.Return(),

		asm.Mov.Imm(asm.R1, int32(device)).WithSymbol(lead),
		asm.Mov.Imm(asm.R2, ingress),
		asm.FnRedirect.Call(),
		asm.Return(),
	}
}

// inFrame is an EtherType as a frame has it, and __sk_buff.
func inFrame(kind uint16) int32 {
	return int32(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, kind)))
}
