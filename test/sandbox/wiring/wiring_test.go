package wiring

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func mustLeg(t *testing.T, machine, name, text string) NIC {
	t.Helper()
	leg, err := ParseLeg(text)
	if err != nil {
		t.Fatal(err)
	}
	leg.Machine, leg.Interface = machine, name
	return leg
}

// complains checks an error against a part of what it must say.
func complains(t *testing.T, what string, err error, about string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), about) {
		t.Errorf("%s: %v, want something about %q", what, err, about)
	}
}

// TestWiring adds everything twice, keeps it, and takes it away twice.
func TestWiring(t *testing.T) {
	var w Wiring
	eth1 := NIC{Machine: "n1", Interface: "eth1", LAN: "storage"}
	host := []NIC{mustLeg(t, "h1", "eth0", "underlay:100=192.0.2.1/24")}
	router := []NIC{mustLeg(t, "r1", "eth0", "storage"), mustLeg(t, "r1", "eth1", "storage:7=198.51.100.1/24,2001:db8::1/64")}
	for range 2 {
		for _, err := range []error{
			w.AddLAN("storage"), w.AddNIC(eth1),
			w.AddMachine(Machine{Name: "h1"}, host),
			w.AddMachine(Machine{Name: "r1", Forwards: true}, router),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(w.LANs) != 1 || len(w.NICs) != 4 || len(w.Machines) != 2 {
		t.Errorf("added twice: %+v", w)
	}
	if got := w.Of("r1"); !reflect.DeepEqual(got, router) || got[1].Port() != "r1-eth1" {
		t.Errorf("r1 has %+v", got)
	}
	if !w.IsRouter("r1") || w.IsRouter("h1") {
		t.Error("a router is not told from a host")
	}

	dir := t.TempDir()
	if err := w.Save(dir); err != nil {
		t.Fatal(err)
	}
	if again, err := Load(dir); err != nil || !reflect.DeepEqual(again, w) {
		t.Errorf("kept as %+v, %v", again, err)
	}
	if none, err := Load(t.TempDir()); err != nil || len(none.AllLANs()) != 1 {
		t.Errorf("nothing was added: %+v, %v", none, err)
	}

	complains(t, "LAN in use", w.RemoveLAN("storage"), "n1 eth1, r1 eth0, r1 eth1")
	for range 2 {
		w.RemoveNIC("n1", "eth1")
		w.RemoveMachine("h1")
		w.RemoveMachine("r1")
		if err := w.RemoveLAN("storage"); err != nil {
			t.Error(err)
		}
	}
	if len(w.LANs)+len(w.NICs)+len(w.Machines) > 0 {
		t.Errorf("left: %+v", w)
	}
}

// TestRefused: what cannot be is told in a line, and changes nothing.
func TestRefused(t *testing.T) {
	var w Wiring
	eth1 := NIC{Machine: "n1", Interface: "eth1", LAN: Underlay}
	if err := w.AddNIC(eth1); err != nil {
		t.Fatal(err)
	}
	if err := w.AddMachine(Machine{Name: "h1"}, []NIC{mustLeg(t, "h1", "eth0", Underlay)}); err != nil {
		t.Fatal(err)
	}
	if err := w.AddLAN("storage"); err != nil {
		t.Fatal(err)
	}
	before := len(w.NICs)
	other := eth1
	other.Addresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}
	for what, refusal := range map[string]struct {
		err   error
		about string
	}{
		"LAN with a bad name":       {w.AddLAN("Storage"), "lower-case"},
		"LAN named like a node":     {w.AddLAN("n7"), "belongs to the cluster"},
		"LAN named like a host":     {w.AddLAN("h1"), "machine's"},
		"host named like a LAN":     {w.AddMachine(Machine{Name: "storage"}, nil), "LAN's"},
		"host named like a node":    {w.AddMachine(Machine{Name: "cp"}, nil), "belongs to the cluster"},
		"the underlay":              {w.RemoveLAN(Underlay), "sandbox down"},
		"a machine as a LAN":        {w.RemoveLAN("n1"), "no LAN"},
		"a host as a LAN":           {w.RemoveLAN("h1"), "no LAN"},
		"NIC on no LAN":             {w.AddNIC(NIC{Machine: "n1", Interface: "eth2", LAN: "none"}), "sandbox lan add none"},
		"NIC of a node's own name":  {w.AddNIC(NIC{Machine: "n1", Interface: "eth0", LAN: "storage"}), "choose another"},
		"NIC with too long a name":  {w.AddNIC(NIC{Machine: "n1", Interface: "muchtoolong", LAN: "storage"}), "at most ten"},
		"NIC on an impossible VLAN": {w.AddNIC(NIC{Machine: "n1", Interface: "eth2", LAN: "storage", VLAN: 4095}), "4094"},
		"another NIC of the name":   {w.AddNIC(other), "remove it first"},
		"another host of the name":  {w.AddMachine(Machine{Name: "h1", Forwards: true}, nil), "remove it first"},
		"host on no LAN":            {w.AddMachine(Machine{Name: "h2"}, []NIC{mustLeg(t, "h2", "eth0", "none")}), "no LAN"},
	} {
		complains(t, what, refusal.err, refusal.about)
	}
	if len(w.NICs) != before || len(w.Machines) != 1 || len(w.LANs) != 1 {
		t.Errorf("a refusal changed something: %+v", w)
	}
	for _, text := range []string{"a:x", "a:4095", "a:0", "a=192.0.2.1"} {
		_, err := ParseLeg(text)
		complains(t, text, err, "LAN[:VLAN]")
	}
}
