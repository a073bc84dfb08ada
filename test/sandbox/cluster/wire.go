package cluster

import (
	"fmt"
	"net/netip"
	"slices"

	"hawser/test/sandbox/lab"
	"hawser/test/sandbox/wiring"
)

// lanBridge is the switch in the namespace of every LAN.
const lanBridge = "br0"

// forwarding makes a router of a namespace, as every Kubernetes node is one.
var forwarding = map[string]string{"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}

// quiet keeps a switch from talking: without addresses it has nothing to say,
// but each of its ports would announce itself in IPv6.
var quiet = map[string]string{"net/ipv6/conf/all/disable_ipv6": "1", "net/ipv6/conf/default/disable_ipv6": "1"}

// wire makes the LANs, the underlay's router, and the cables to all machines.
func (c *Cluster) wire() error {
	for _, name := range c.added.AllLANs() {
		if err := c.wireLAN(name); err != nil {
			return fmt.Errorf("LAN %s: %w", name, err)
		}
	}
	for _, name := range c.Machines() {
		if err := c.plug(name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) wireLAN(name string) error {
	namespace := c.Namespace(name)
	if err := lab.EnsureNamespace(namespace); err != nil {
		return err
	}
	settings, addresses := quiet, []netip.Prefix(nil)
	if name == wiring.Underlay { // it is the gateway too
		settings, addresses = forwarding, pick(c.options, at(lan4, 1), at(lan6, 1))
	}
	if err := lab.SetSysctls(namespace, settings); err != nil {
		return err
	}
	return lab.EnsureBridge(namespace, lanBridge, addresses)
}

// plug gives a machine its namespace and all its NICs.
func (c *Cluster) plug(name string) error {
	namespace := c.Namespace(name)
	if err := lab.EnsureNamespace(namespace); err != nil {
		return err
	}
	if c.isNode(name) || c.added.IsRouter(name) {
		if err := lab.SetSysctls(namespace, forwarding); err != nil {
			return err
		}
	}
	for _, cable := range c.cables(name) {
		if err := lab.Connect(cable); err != nil {
			return fmt.Errorf("connect %s of %s: %w", cable.Interface, name, err)
		}
	}
	return nil
}

// cables are all those of a machine.
func (c *Cluster) cables(name string) []lab.Cable {
	var cables []lab.Cable
	if slices.Contains(c.options.machines(), name) {
		cables = append(cables, c.firstCable(name))
	}
	for _, nic := range c.added.Of(name) {
		cables = append(cables, c.addedCable(nic))
	}
	return cables
}

// firstCable is that of a machine's eth0 to the underlay or, for the world
// outside, to the underlay's router.
func (c *Cluster) firstCable(name string) lab.Cable {
	cable := lab.Cable{
		From: c.Namespace(wiring.Underlay), Port: name, Bridge: lanBridge, VLAN: lab.Trunk,
		To: c.Namespace(name), Interface: "eth0",
		Addresses: c.options.addresses(name), Gateways: c.options.gateways(name),
	}
	if name == outside {
		cable.Bridge = ""
		cable.PortAddresses = pick(c.options, at(outside4, 1), at(outside6, 1))
	}
	return cable
}

func (c *Cluster) addedCable(nic wiring.NIC) lab.Cable {
	cable := lab.Cable{
		From: c.Namespace(nic.LAN), Port: nic.Port(), Bridge: lanBridge, VLAN: lab.Trunk,
		To: c.Namespace(nic.Machine), Interface: nic.Interface,
		Addresses: nic.Addresses, Gateways: nic.Gateways,
	}
	if nic.Access {
		cable.VLAN = nic.VLAN
	}
	return cable
}

func (c *Cluster) isNode(name string) bool { return slices.Contains(c.options.nodes(), name) }

// shown are a machine's addresses, for a person.
func (c *Cluster) shown(name string) []string {
	var list []string
	for _, cable := range c.cables(name) {
		for _, address := range cable.Addresses {
			list = append(list, address.Addr().String())
		}
	}
	return list
}

// ports are the LAN's ends of the cables of machines that are on, with the
// VLAN where a port is not a trunk.
func (c *Cluster) ports(lan string) []string {
	var list []string
	for _, name := range c.Machines() {
		for _, cable := range c.cables(name) {
			switch {
			case cable.From != c.Namespace(lan) || c.PID(name) == 0:
			case cable.VLAN > 0:
				list = append(list, fmt.Sprintf("%s:%d", cable.Port, cable.VLAN))
			default:
				list = append(list, cable.Port)
			}
		}
	}
	return list
}
