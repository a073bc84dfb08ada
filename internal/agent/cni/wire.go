package cni

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"hawser/internal/host"
	"hawser/internal/nodeplan/attachment"
)

// Wire asks the network behind a pod's cable; kernel.Prober does.
type Wire interface {
	// Reach waits until all gateways have answered.
	Reach(ctx context.Context, link host.PodLink, gateways []netip.Addr) error
	// Claim fails if somebody else has one of the addresses, and else tells
	// everybody that they are here.
	Claim(ctx context.Context, link host.PodLink) error
}

// configure gives the pod's end what it needs, and sets the cable up. On a
// physical network the addresses come later, when they are known to be free.
func (a *attacher) configure(ctx context.Context, plan attachment.Attachment) error {
	link := plan.Link
	if plan.OnWire {
		link.Addresses, link.Routes = nil, nil
	}
	return a.cfg.Links.Configure(ctx, link)
}

// join has a pod on a physical network reach its gateways and find nobody with
// its addresses, before it gets them.
func (a *attacher) join(ctx context.Context, plan attachment.Attachment) error {
	if !plan.OnWire {
		return nil
	}
	if gateways := plan.Known(); len(gateways) > 0 && a.cfg.ChecksGateway(ctx, plan.Subnet) {
		if err := a.reach(ctx, plan, gateways); err != nil {
			return err
		}
	}
	if a.cfg.DetectConflicts && len(plan.Link.Addresses) > 0 {
		if err := a.cfg.Wire.Claim(ctx, plan.Link); err != nil {
			return fmt.Errorf("%w: free it there, or take it out of subnet %s by excludeIps", err, plan.Subnet)
		}
	}
	return a.cfg.Links.Configure(ctx, plan.Link)
}

func (a *attacher) reach(ctx context.Context, plan attachment.Attachment, gateways []netip.Addr) error {
	bounded, cancel := context.WithTimeout(ctx, a.cfg.InstallWait)
	defer cancel()
	err := a.cfg.Wire.Reach(bounded, plan.Link, gateways)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w: see that the switch lets the VLAN of subnet %s through to this node and allows further MACs there, or set disableGatewayCheck of the subnet", err, plan.Subnet)
	}
	return err
}
