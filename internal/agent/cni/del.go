package cni

import (
	"context"
	"errors"

	"hawser/internal/cniwire"
	"hawser/internal/host"
	"hawser/internal/nodeplan/attachment"
)

// detacher does DEL, GC and the sweep at start: one path for all.
type detacher struct {
	cfg   Config
	turns *turns
}

// del detaches a container, of which there may be everything or nothing. The
// runtime may not say any more whose it was; the port does.
func (d *detacher) del(ctx context.Context, call cniwire.Request) (*cniwire.Result, error) {
	if call.ContainerID == "" {
		return nil, &cniwire.Error{Code: cniwire.CodeInvalidEnvironment, Message: "DEL does not name a container"}
	}
	link := attachment.HostLink(call.ContainerID)
	for owner, has := range d.cfg.Switch.All(attachment.OwnerPrefix) {
		if _, found := portOf(has, link); found {
			return nil, d.detach(ctx, owner, link)
		}
	}
	return nil, d.detach(ctx, attachment.Owner(call.Pod.Namespace, call.Pod.Name), link)
}

// gc detaches every container that the runtime no longer knows. CNI forbids it
// beside other calls of the same network, so that no new one can be missed.
func (d *detacher) gc(ctx context.Context, call cniwire.Request) (*cniwire.Result, error) {
	keep := map[string]bool{}
	for _, attached := range call.Valid {
		keep[attachment.HostLink(attached.ContainerID)] = true
	}
	return nil, d.detachAll(ctx, func(_, link string) bool { return !keep[link] })
}

// detachAll detaches what unwanted says, of all that is ours in the switch and
// in the kernel.
func (d *detacher) detachAll(ctx context.Context, unwanted func(owner, link string) bool) error {
	links, err := d.cfg.Links.PodLinks(ctx)
	if err != nil {
		return err
	}
	found := map[string]string{} // owner by host end
	for _, link := range links {
		if attachment.IsOwner(link.Owner) && attachment.IsHostLink(link.Host) {
			found[link.Host] = link.Owner
		}
	}
	for owner, has := range d.cfg.Switch.All(attachment.OwnerPrefix) {
		for _, port := range has.Ports {
			found[port.Name] = owner
		}
	}
	var errs []error
	for link, owner := range found {
		if unwanted(owner, link) {
			errs = append(errs, d.detach(ctx, owner, link))
		}
	}
	return errors.Join(errs...)
}

// detach removes one cable and its port; what is not there is no error. The port
// goes first, as ovs-vswitchd complains of a port whose device is missing. Another
// port of the same owner, of the pod's next container, stays.
func (d *detacher) detach(ctx context.Context, owner, link string) error {
	done, err := d.turns.take(ctx, owner)
	if err != nil {
		return err
	}
	defer done()
	if err := d.unplug(ctx, owner, link); err != nil {
		return err
	}
	return d.cfg.Links.Disconnect(ctx, link)
}

func (d *detacher) unplug(ctx context.Context, owner, link string) error {
	has := d.cfg.Switch.All(owner)[owner]
	if _, found := portOf(has, link); !found {
		return nil
	}
	var rest host.Switching
	for _, port := range has.Ports {
		if port.Name != link {
			port.ExternalIDs = nil // those that it has are left alone
			rest.Ports = append(rest.Ports, port)
		}
	}
	bounded, cancel := context.WithTimeout(ctx, commitWait)
	defer cancel()
	_, err := d.cfg.Switch.Apply(bounded, owner, rest)
	return err
}

func portOf(of host.Switching, name string) (host.BridgePort, bool) {
	for _, port := range of.Ports {
		if port.Name == name {
			return port, true
		}
	}
	return host.BridgePort{}, false
}
