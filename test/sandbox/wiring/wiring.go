// Package wiring is what a user added to the networks of a sandbox: LANs, NICs of
// nodes, and machines that are no part of the cluster, physical hosts and
// routers. It decides what may be added and removed, and keeps it in a file;
// it lays no cable itself.
//
//	LAN underlay ── n1 eth0, n2 eth0, … (the cluster's own, always there)
//	      └──────── h1 eth0             (a host, perhaps on a VLAN)
//	LAN storage ─── n1 eth1, n2 eth1
//	      └──────── r1 eth0 ── r1 eth1 ── another LAN, or another VLAN of this
package wiring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Underlay is the LAN that carries the nodes' addresses. It needs no adding.
const Underlay = "underlay"

// Wiring is all that was added.
type Wiring struct {
	LANs     []string  `json:"lans,omitempty"`
	NICs     []NIC     `json:"nics,omitempty"`
	Machines []Machine `json:"machines,omitempty"`
}

// NIC is an interface of a machine and the LAN that it is plugged into.
type NIC struct {
	Machine   string `json:"machine"`
	Interface string `json:"interface"`
	LAN       string `json:"lan"`
	// Access makes the LAN's port an access port of VLAN, 0 being the untagged
	// frames; otherwise it is a trunk, as the nodes' ports are.
	Access    bool           `json:"access,omitempty"`
	VLAN      int            `json:"vlan,omitempty"`
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	Gateways  []netip.Addr   `json:"gateways,omitempty"`
}

// Port names the LAN's end of the cable.
func (n NIC) Port() string { return n.Machine + "-" + n.Interface }

// Machine is a physical host or, when it forwards, a router.
type Machine struct {
	Name     string `json:"name"`
	Forwards bool   `json:"forwards,omitempty"`
}

// Names are those of a machine or LAN, which share one pool, since commands
// take either. They leave room for "-eth0" in an interface's 15 characters.
// Those of the cluster's own machines are taken, however many there are.
var (
	names    = regexp.MustCompile(`^[a-z][a-z0-9]{0,9}$`)
	taken    = regexp.MustCompile(`^(cp|outside|store|underlay|n[0-9]+)$`)
	nicNames = regexp.MustCompile(`^[a-z][a-z0-9.]{0,9}$`)
)

func (w *Wiring) checkName(name string) error {
	switch {
	case !names.MatchString(name):
		return fmt.Errorf("name %q: give at most ten lower-case letters and digits, a letter first", name)
	case taken.MatchString(name):
		return fmt.Errorf("name %q belongs to the cluster: choose another", name)
	}
	return nil
}

// AddLAN adds a network without machines.
func (w *Wiring) AddLAN(name string) error {
	if w.hasLAN(name) {
		return nil
	}
	if err := w.checkName(name); err != nil {
		return err
	}
	if w.isMachine(name) {
		return fmt.Errorf("name %q is a machine's: choose another", name)
	}
	w.LANs = append(w.LANs, name)
	return nil
}

// RemoveLAN takes a network away that nobody is on.
func (w *Wiring) RemoveLAN(name string) error {
	if name == Underlay {
		return errors.New("the underlay carries the cluster and stays until 'sandbox down'")
	}
	if err := w.checkName(name); err != nil || w.isMachine(name) {
		return fmt.Errorf("%s is no LAN that was added", name)
	}
	var users []string
	for _, nic := range w.NICs {
		if nic.LAN == name {
			users = append(users, nic.Machine+" "+nic.Interface)
		}
	}
	if len(users) > 0 {
		return fmt.Errorf("LAN %s is in use by %s: remove that first", name, strings.Join(users, ", "))
	}
	w.LANs = slices.DeleteFunc(w.LANs, func(other string) bool { return other == name })
	return nil
}

// AddNIC plugs an interface of a machine into a LAN. The same again is fine.
func (w *Wiring) AddNIC(nic NIC) error {
	if err := w.checkNIC(nic); err != nil {
		return err
	}
	for _, other := range w.NICs {
		if other.Port() != nic.Port() {
			continue
		}
		if !other.equal(nic) {
			return fmt.Errorf("%s has an %s of another kind on LAN %s: remove it first", nic.Machine, nic.Interface, other.LAN)
		}
		return nil
	}
	w.NICs = append(w.NICs, nic)
	return nil
}

func (w *Wiring) checkNIC(nic NIC) error {
	switch {
	case !w.hasLAN(nic.LAN):
		return fmt.Errorf("there is no LAN %q: give one of %s, or run 'sandbox lan add %s'", nic.LAN, strings.Join(w.AllLANs(), " "), nic.LAN)
	case !nicNames.MatchString(nic.Interface) || len(nic.Port()) > 15:
		return fmt.Errorf("interface %q: give at most ten lower-case letters, digits and dots, a letter first", nic.Interface)
	case nic.Interface == "eth0" && !w.isMachine(nic.Machine):
		return fmt.Errorf("eth0 of %s is on the underlay: choose another name", nic.Machine)
	case nic.VLAN < 0 || nic.VLAN > 4094:
		return fmt.Errorf("VLAN %d: give 1 to 4094, or none for untagged frames", nic.VLAN)
	}
	return nil
}

// RemoveNIC unplugs an interface of a node.
func (w *Wiring) RemoveNIC(machine, name string) {
	w.NICs = slices.DeleteFunc(w.NICs, func(nic NIC) bool { return nic.Machine == machine && nic.Interface == name })
}

// AddMachine adds a host or router with all its interfaces. The same again is
// fine; another of the name is not.
func (w *Wiring) AddMachine(machine Machine, nics []NIC) error {
	if err := w.checkName(machine.Name); err != nil {
		return err
	}
	if w.hasLAN(machine.Name) {
		return fmt.Errorf("name %q is a LAN's: choose another", machine.Name)
	}
	if w.isMachine(machine.Name) {
		if !slices.Contains(w.Machines, machine) || !slices.EqualFunc(w.Of(machine.Name), nics, NIC.equal) {
			return fmt.Errorf("there is another machine %s: remove it first", machine.Name)
		}
		return nil
	}
	w.Machines = append(w.Machines, machine)
	for _, nic := range nics {
		if err := w.AddNIC(nic); err != nil {
			w.RemoveMachine(machine.Name)
			return err
		}
	}
	return nil
}

// RemoveMachine takes a machine away, with its interfaces.
func (w *Wiring) RemoveMachine(name string) {
	w.Machines = slices.DeleteFunc(w.Machines, func(m Machine) bool { return m.Name == name })
	w.NICs = slices.DeleteFunc(w.NICs, func(nic NIC) bool { return nic.Machine == name })
}

// Of are the added interfaces of a machine, in the order of their adding.
func (w *Wiring) Of(machine string) []NIC {
	var nics []NIC
	for _, nic := range w.NICs {
		if nic.Machine == machine {
			nics = append(nics, nic)
		}
	}
	return nics
}

// AllLANs are the networks, the cluster's first.
func (w *Wiring) AllLANs() []string { return append([]string{Underlay}, w.LANs...) }

// MachineNames are the names of the machines, in the order of their adding.
func (w *Wiring) MachineNames() []string {
	list := make([]string, 0, len(w.Machines))
	for _, machine := range w.Machines {
		list = append(list, machine.Name)
	}
	return list
}

// IsRouter tells whether a machine forwards.
func (w *Wiring) IsRouter(name string) bool {
	return slices.Contains(w.Machines, Machine{Name: name, Forwards: true})
}

func (w *Wiring) hasLAN(name string) bool { return slices.Contains(w.AllLANs(), name) }

func (w *Wiring) isMachine(name string) bool { return slices.Contains(w.MachineNames(), name) }

func (n NIC) equal(other NIC) bool {
	return n.Port() == other.Port() && n.LAN == other.LAN && n.Access == other.Access && n.VLAN == other.VLAN &&
		slices.Equal(n.Addresses, other.Addresses) && slices.Equal(n.Gateways, other.Gateways)
}

const file = "wiring.json"

// Load reads what was added to the sandbox in a directory; at first, nothing.
func Load(dir string) (Wiring, error) {
	var w Wiring
	content, err := os.ReadFile(filepath.Join(dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal(content, &w); err != nil {
		return w, fmt.Errorf("read %s/%s: %w", dir, file, err)
	}
	return w, nil
}

// Save keeps it.
func (w *Wiring) Save(dir string) error {
	content, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, file), append(content, '\n'), 0o644)
}
