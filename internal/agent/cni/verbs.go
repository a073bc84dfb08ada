package cni

import (
	"context"
	"errors"
	"fmt"

	"hawser/internal/cniwire"
	"hawser/internal/host"
	"hawser/internal/nodeplan/attachment"
)

// status fails only where an ADD could not work on this node. An OVN that is away
// does not count: ADD waits for it.
func (s *Server) status(context.Context, cniwire.Request) (*cniwire.Result, error) {
	lacks := s.cfg.Ready()
	if !s.cfg.Switch.Connected() {
		lacks = errors.New("the Open_vSwitch database of this node cannot be reached: see the ovs-ovn pod on this node")
	}
	if lacks == nil {
		return nil, nil
	}
	return nil, &cniwire.Error{Code: cniwire.CodeNotAvailable, Message: "no pods can be attached on this node now", Details: lacks.Error()}
}

// check compares what ADD answered with what there is.
func (s *Server) check(ctx context.Context, call cniwire.Request) (*cniwire.Result, error) {
	if err := s.verify(ctx, call); err != nil {
		return nil, &cniwire.Error{Code: cniwire.CodeCheckFailed, Message: fmt.Sprintf("pod %s is not attached as it should be", call.Pod), Details: err.Error()}
	}
	return nil, nil
}

func (s *Server) verify(ctx context.Context, call cniwire.Request) error {
	owner, link := attachment.Owner(call.Pod.Namespace, call.Pod.Name), attachment.HostLink(call.ContainerID)
	port, found := portOf(s.cfg.Switch.All(owner)[owner], link)
	if !found {
		return fmt.Errorf("port %s is not in the Open_vSwitch database", link)
	}
	want := attachment.LogicalPort(call.Pod.Namespace, call.Pod.Name)
	if got := port.ExternalIDs["iface-id"]; got != want || port.Bridge != host.IntegrationBridge {
		return fmt.Errorf("port %s on bridge %s has iface-id %q instead of %q", link, port.Bridge, got, want)
	}
	expected, err := attachment.Expected(call)
	if err != nil {
		return err
	}
	return s.cfg.Links.Check(ctx, expected)
}

func portOf(of host.Switching, name string) (host.BridgePort, bool) {
	for _, port := range of.Ports {
		if port.Name == name {
			return port, true
		}
	}
	return host.BridgePort{}, false
}

// del detaches a container, of which there may be everything or nothing. The
// runtime may not say any more whose it was; the port does.
func (s *Server) del(ctx context.Context, call cniwire.Request) (*cniwire.Result, error) {
	if call.ContainerID == "" {
		return nil, &cniwire.Error{Code: cniwire.CodeInvalidEnvironment, Message: "DEL does not name a container"}
	}
	link := attachment.HostLink(call.ContainerID)
	for owner, has := range s.cfg.Switch.All(attachment.OwnerPrefix) {
		if _, found := portOf(has, link); found {
			return nil, s.detach(ctx, owner, link)
		}
	}
	return nil, s.detach(ctx, attachment.Owner(call.Pod.Namespace, call.Pod.Name), link)
}

// gc detaches every container that the runtime no longer knows. CNI forbids it
// beside other calls of the same network, so that no new one can be missed.
func (s *Server) gc(ctx context.Context, call cniwire.Request) (*cniwire.Result, error) {
	keep := map[string]bool{}
	for _, attached := range call.Valid {
		keep[attachment.HostLink(attached.ContainerID)] = true
	}
	return nil, s.detachAll(ctx, func(_, link string) bool { return !keep[link] })
}

// detachAll detaches what unwanted says, of all that is ours in the switch and
// in the kernel.
func (s *Server) detachAll(ctx context.Context, unwanted func(owner, link string) bool) error {
	links, err := s.cfg.Links.PodLinks(ctx)
	if err != nil {
		return err
	}
	found := map[string]string{} // owner by host end
	for _, link := range links {
		if attachment.IsOwner(link.Owner) && attachment.IsHostLink(link.Host) {
			found[link.Host] = link.Owner
		}
	}
	for owner, has := range s.cfg.Switch.All(attachment.OwnerPrefix) {
		for _, port := range has.Ports {
			found[port.Name] = owner
		}
	}
	var errs []error
	for link, owner := range found {
		if unwanted(owner, link) {
			errs = append(errs, s.detach(ctx, owner, link))
		}
	}
	return errors.Join(errs...)
}

// detach removes one cable and its port; what is not there is no error. The port
// goes first, as ovs-vswitchd complains of a port whose device is missing. Another
// port of the same owner, of the pod's next container, stays.
func (s *Server) detach(ctx context.Context, owner, link string) error {
	done, err := s.turns.take(ctx, owner)
	if err != nil {
		return err
	}
	defer done()
	if err := s.unplug(ctx, owner, link); err != nil {
		return err
	}
	if err := s.cfg.Links.Disconnect(ctx, link); err != nil {
		return err
	}
	if !s.cfg.Userspace() {
		return nil
	}
	if err := s.cfg.Isolation.Release(ctx, link); err != nil {
		return fmt.Errorf("forgetting the isolation of %s: %w", link, err)
	}
	return nil
}

func (s *Server) unplug(ctx context.Context, owner, link string) error {
	has := s.cfg.Switch.All(owner)[owner]
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
	_, err := s.cfg.Switch.Apply(bounded, owner, rest)
	return err
}
