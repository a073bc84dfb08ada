package takeover

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// oracle asks gateways and the API server whether they are there.
type oracle struct {
	neighbourhood
	routing
	options Options
}

// confirm finds every default gateway by a device answering, and the API server.
// Without an answer in time the error is host.ErrConnectivityLost.
func (o oracle) confirm(ctx context.Context, by device) error {
	if err := o.hears(ctx, by, by); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.options.Patience)
	defer cancel()
	if o.options.Server == "" {
		return nil
	}
	if err := call(ctx, o.options.Server, o.options.Patience/calls); err != nil {
		return fmt.Errorf("%w: API server %s: %w", host.ErrConnectivityLost, o.options.Server, err)
	}
	return nil
}

// hears finds the gateways of one device answering to another.
func (o oracle) hears(ctx context.Context, of, by device) error {
	gateways, err := o.leaders(of)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.options.Patience)
	defer cancel()
	for _, gateway := range gateways {
		if err := o.ask(ctx, by, gateway); err != nil {
			return fmt.Errorf("%w: gateway %s by %s: %w", host.ErrConnectivityLost, gateway, by.name, err)
		}
	}
	return nil
}

// calls is how often the API server is called while patience lasts: its address may
// be a Service's, and each call meets another server.
const calls = 3

// call tells whether anybody is there: a refusal comes from there too.
func call(ctx context.Context, server string, each time.Duration) error {
	for {
		conn, err := (&net.Dialer{Timeout: each}).DialContext(ctx, "tcp", server)
		var silent net.Error
		switch {
		case err == nil:
			return conn.Close()
		case errors.Is(err, unix.ECONNREFUSED):
			return nil
		case ctx.Err() != nil || !errors.As(err, &silent) || !silent.Timeout():
			return err
		}
	}
}

// ask has the kernel ask a neighbour whether it is there, and waits until it has
// answered. One that was set by hand is not asked.
func (n neighbourhood) ask(ctx context.Context, on device, address netip.Addr) error {
	answers, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_NEIGH)
	if err != nil {
		return fmt.Errorf("subscribe to changes of neighbours: %w", err)
	}
	stop := context.AfterFunc(ctx, answers.Close)
	defer func() {
		if stop() {
			answers.Close()
		}
	}()
	known, err := n.neighbours(on)
	if err != nil {
		return err
	}
	for _, neighbour := range known {
		if ipOf(neighbour) == address && isFixed(neighbour) {
			return nil
		}
		if ipOf(neighbour) == address && !isProxy(neighbour) {
			return n.probe(ctx, answers, askAgain(neighbour, on))
		}
	}
	return n.probe(ctx, answers, askFirst(on, address))
}

// askAgain has a neighbour that is known confirm that it is there, and askFirst
// has one resolved.
func askAgain(neighbour message, on device) message {
	out := neighbour.without(unix.NDA_CACHEINFO, unix.NDA_PROBES, unix.NDA_MASTER, attributeDevice)
	binary.NativeEndian.PutUint32(out.header[neighbourIndex:], uint32(on.index))
	binary.NativeEndian.PutUint16(out.header[neighbourState:], unix.NUD_PROBE)
	return out
}

func askFirst(on device, address netip.Addr) message {
	out := message{header: make([]byte, neighbourHeader)}
	out.header[0], out.header[neighbourFlags] = unix.AF_INET, unix.NTF_USE
	if address.Is6() {
		out.header[0] = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(out.header[neighbourIndex:], uint32(on.index))
	return out.with(unix.NDA_DST, address.AsSlice())
}

// probe asks, and again each time the kernel has given up, until ctx ends.
func (n neighbourhood) probe(ctx context.Context, answers *nl.NetlinkSocket, question message) error {
	on := device{index: int(binary.NativeEndian.Uint32(question.header[neighbourIndex:]))}
	for {
		if err := n.send(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, question); err != nil {
			return fmt.Errorf("ask for it: %w", err)
		}
		state, err := hear(ctx, answers, on, ipOf(question))
		if err != nil {
			return err
		}
		if state&unix.NUD_REACHABLE != 0 {
			return nil
		}
		question = askFirst(on, ipOf(question))
	}
}

// hear waits until the kernel knows of a neighbour that it answers, or has failed.
func hear(ctx context.Context, answers *nl.NetlinkSocket, on device, address netip.Addr) (state uint16, err error) {
	for {
		messages, _, err := answers.Receive()
		if ctx.Err() != nil {
			return 0, fmt.Errorf("it does not answer: %w", ctx.Err())
		}
		if err != nil {
			continue // what was lost here comes again: the kernel asks more than once
		}
		for _, raw := range messages {
			if state, ok := about(raw, on, address); ok && state&(unix.NUD_REACHABLE|unix.NUD_FAILED) != 0 {
				return state, nil
			}
		}
	}
}

func about(raw syscall.NetlinkMessage, on device, address netip.Addr) (state uint16, ok bool) {
	if raw.Header.Type != unix.RTM_NEWNEIGH {
		return 0, false
	}
	neighbour, err := parse(raw.Data, neighbourHeader)
	if err != nil || !isOn(neighbour, on) || ipOf(neighbour) != address {
		return 0, false
	}
	return stateOf(neighbour), true
}

func ipOf(neighbour message) netip.Addr {
	addr, _ := netip.AddrFromSlice(neighbour.get(unix.NDA_DST))
	return addr
}
