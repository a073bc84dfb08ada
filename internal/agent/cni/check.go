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
