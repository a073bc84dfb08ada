package lab

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Trunk is the Cable.VLAN of a port that carries all frames as they are.
const Trunk = -1

// What a program finds in struct __sk_buff, what it answers, and the ethertype
// of a tag in network byte order (linux/bpf.h, linux/pkt_cls.h).
const (
	skbVLANPresent, skbVLANTag = 20, 24
	pass, drop                 = 0, 2
	vlanIDs                    = 0xfff
	protocol8021Q              = 0x0081
)

// setVLAN makes a bridge's port a trunk or an access port. Neither a filtering
// bridge nor VLAN sub-interfaces are in every kernel, and both would show the
// tags of a machine that must not know them; classifying by eBPF is what the
// fabric itself needs, so that it is there.
func setVLAN(h *netlink.Handle, port string, vlan int) error {
	if vlan == Trunk {
		return nil
	}
	link, err := h.LinkByName(port)
	if err != nil {
		return fmt.Errorf("link %s: %w", port, err)
	}
	qdisc := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: link.Attrs().Index, Parent: netlink.HANDLE_CLSACT, Handle: netlink.MakeHandle(0xffff, 0),
	}}
	if err := h.QdiscReplace(qdisc); err != nil {
		return fmt.Errorf("port %s: add clsact: %w", port, err)
	}
	for parent, program := range map[uint32]asm.Instructions{
		netlink.HANDLE_MIN_INGRESS: fromMachine(vlan), netlink.HANDLE_MIN_EGRESS: toMachine(vlan),
	} {
		if err := attach(h, link, parent, program); err != nil {
			return fmt.Errorf("port %s: access to VLAN %d: %w", port, vlan, err)
		}
	}
	return nil
}

// attach replaces the one program of a direction.
func attach(h *netlink.Handle, link netlink.Link, parent uint32, instructions asm.Instructions) error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "access", Type: ebpf.SchedCLS, License: "GPL", Instructions: instructions})
	if err != nil {
		return err
	}
	defer program.Close() // the filter holds it
	return h.FilterReplace(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: link.Attrs().Index, Parent: parent, Handle: 1, Priority: 1, Protocol: unix.ETH_P_ALL},
		Fd:          program.FD(), Name: "access", DirectAction: true,
	})
}

// fromMachine takes untagged frames only, and tags them.
func fromMachine(vlan int) asm.Instructions {
	program := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, skbVLANPresent, asm.Word),
		asm.JNE.Imm(asm.R2, 0, "drop"),
	}
	if vlan != 0 {
		program = append(program,
			asm.Mov.Imm(asm.R2, protocol8021Q),
			asm.Mov.Imm(asm.R3, int32(vlan)),
			asm.FnSkbVlanPush.Call())
	}
	return append(program, verdicts()...)
}

// toMachine gives it the frames of its VLAN only, without their tag.
func toMachine(vlan int) asm.Instructions {
	program := asm.Instructions{asm.LoadMem(asm.R2, asm.R1, skbVLANPresent, asm.Word)}
	if vlan == 0 {
		program = append(program, asm.JNE.Imm(asm.R2, 0, "drop"))
	} else {
		program = append(program,
			asm.JEq.Imm(asm.R2, 0, "drop"),
			asm.LoadMem(asm.R2, asm.R1, skbVLANTag, asm.Word),
			asm.And.Imm(asm.R2, vlanIDs),
			asm.JNE.Imm(asm.R2, int32(vlan), "drop"),
			asm.FnSkbVlanPop.Call())
	}
	return append(program, verdicts()...)
}

func verdicts() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Imm(asm.R0, pass),
		asm.Return(),
		asm.Mov.Imm(asm.R0, drop).WithSymbol("drop"),
		asm.Return(),
	}
}
