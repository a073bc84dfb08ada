package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"hawser/test/sandbox/cluster"
	"hawser/test/sandbox/wiring"
)

// withCluster is the body of a command that works on an existing sandbox.
func (p *place) withCluster(work func(context.Context, *cluster.Cluster, []string) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, args []string) error {
		c, err := p.open()
		if err != nil {
			return err
		}
		return work(command.Context(), c, args)
	}
}

func lanCommand(p *place) *cobra.Command {
	command := &cobra.Command{Use: "lan", Short: "Add a network, or remove it; the cluster's own is called underlay"}
	command.AddCommand(&cobra.Command{
		Use: "add NAME", Short: "A learning switch that carries tagged frames and says nothing itself", Args: cobra.ExactArgs(1),
		RunE: p.withCluster(func(_ context.Context, c *cluster.Cluster, args []string) error { return c.AddLAN(args[0]) }),
	}, &cobra.Command{
		Use: "remove NAME", Short: "Remove a network that nobody is on", Args: cobra.ExactArgs(1),
		RunE: p.withCluster(func(_ context.Context, c *cluster.Cluster, args []string) error { return c.RemoveLAN(args[0]) }),
	})
	return command
}

func nicCommand(p *place) *cobra.Command {
	command := &cobra.Command{Use: "nic", Short: "Plug another NIC of a node into a LAN, or unplug it"}
	var nic wiring.NIC
	var addresses []string
	add := &cobra.Command{
		Use: "add NODE INTERFACE --lan NAME", Short: "A trunk: all frames of the LAN, tagged or not; it comes back with the node's power", Args: cobra.ExactArgs(2),
		RunE: p.withCluster(func(_ context.Context, c *cluster.Cluster, args []string) error {
			nic.Machine, nic.Interface = args[0], args[1]
			var err error
			if nic.Addresses, err = parse(addresses, netip.ParsePrefix); err != nil {
				return fmt.Errorf("--address: %w", err)
			}
			return c.AddNIC(nic)
		}),
	}
	add.Flags().StringVar(&nic.LAN, "lan", "", "the LAN that it is plugged into")
	add.Flags().StringSliceVar(&addresses, "address", nil, "addresses with the length of their network (default: none)")
	_ = add.MarkFlagRequired("lan") // fails for a flag that is not there
	command.AddCommand(add, &cobra.Command{
		Use: "remove NODE INTERFACE", Short: "Unplug it", Args: cobra.ExactArgs(2),
		RunE: p.withCluster(func(_ context.Context, c *cluster.Cluster, args []string) error { return c.RemoveNIC(args[0], args[1]) }),
	})
	return command
}

func hostCommand(p *place) *cobra.Command {
	command := &cobra.Command{Use: "host", Short: "Add a physical host to a LAN, or remove it"}
	nic := wiring.NIC{Interface: "eth0", Access: true}
	var addresses, gateways []string
	add := &cobra.Command{
		Use: "add NAME --lan NAME --address CIDR", Short: "A machine that answers HTTP on port 80 and UDP on 8081, on an access port", Args: cobra.ExactArgs(1),
		RunE: p.withCluster(func(ctx context.Context, c *cluster.Cluster, args []string) error {
			nic.Machine = args[0]
			var err error
			if nic.Addresses, err = parse(addresses, netip.ParsePrefix); err != nil {
				return fmt.Errorf("--address: %w", err)
			}
			if nic.Gateways, err = parse(gateways, netip.ParseAddr); err != nil {
				return fmt.Errorf("--gateway: %w", err)
			}
			return c.AddMachine(ctx, wiring.Machine{Name: nic.Machine}, []wiring.NIC{nic})
		}),
	}
	add.Flags().StringVar(&nic.LAN, "lan", "", "the LAN that it stands on")
	add.Flags().IntVar(&nic.VLAN, "vlan", 0, "the VLAN of its port (default: untagged frames)")
	add.Flags().StringSliceVar(&addresses, "address", nil, "addresses with the length of their network")
	add.Flags().StringSliceVar(&gateways, "gateway", nil, "default gateways")
	_ = add.MarkFlagRequired("lan") // fails for a flag that is not there
	command.AddCommand(add, removeMachine(p))
	return command
}

func routerCommand(p *place) *cobra.Command {
	command := &cobra.Command{Use: "router", Short: "Add a router between LANs or VLANs, or remove it"}
	var legs []string
	add := &cobra.Command{
		Use: "add NAME --lan A[:VLAN][=CIDR,…] --lan B[:VLAN][=CIDR,…]", Short: "A machine that forwards, with an interface eth0, eth1, … for each --lan", Args: cobra.ExactArgs(1),
		RunE: p.withCluster(func(ctx context.Context, c *cluster.Cluster, args []string) error {
			nics, err := parse(legs, wiring.ParseLeg)
			if err != nil {
				return fmt.Errorf("--lan: %w", err)
			}
			if len(nics) < 2 {
				return errors.New("a router needs --lan twice at least: 'sandbox host add' makes a machine on one LAN")
			}
			for i := range nics {
				nics[i].Machine, nics[i].Interface = args[0], fmt.Sprintf("eth%d", i)
			}
			return c.AddMachine(ctx, wiring.Machine{Name: args[0], Forwards: true}, nics)
		}),
	}
	add.Flags().StringArrayVar(&legs, "lan", nil, "a LAN that it is on, with the VLAN of its port, with its addresses")
	command.AddCommand(add, removeMachine(p))
	return command
}

func removeMachine(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Remove the machine, its disks too", Args: cobra.ExactArgs(1),
		RunE: p.withCluster(func(_ context.Context, c *cluster.Cluster, args []string) error { return c.RemoveMachine(args[0]) }),
	}
}

// parse reads each of a flag's values.
func parse[T any](texts []string, one func(string) (T, error)) ([]T, error) {
	var list []T
	for _, text := range texts {
		value, err := one(text)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}
