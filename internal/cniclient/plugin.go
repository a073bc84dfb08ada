package cniclient

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"hawser/internal/cniwire"
)

// patience bounds a call. The agent gives up long before, with a reason; this is
// for an agent that hangs. kubelet itself waits four minutes.
const patience = 2 * time.Minute

// Funcs are the verbs of the plugin for skel.PluginMainFuncs.
func Funcs() skel.CNIFuncs {
	return skel.CNIFuncs{Add: add, Check: quiet(cniwire.Check), Del: quiet(cniwire.Del), GC: quiet(cniwire.GC), Status: quiet(cniwire.Status)}
}

// Versions are those of the CNI specification that the plugin speaks.
func Versions() []string { return []string{"0.3.1", "0.4.0", "1.0.0", "1.1.0"} }

func add(args *skel.CmdArgs) error {
	if err := prepare(args.Netns); err != nil {
		return shown(err)
	}
	result, err := run(cniwire.Add, args)
	if err != nil {
		return shown(err)
	}
	asked, err := new(version.ConfigDecoder).Decode(args.StdinData)
	if err != nil {
		return shown(err)
	}
	return types.PrintResult(asCNI(*result, args), asked)
}

// quiet is a verb that answers nothing but an error.
func quiet(verb cniwire.Verb) func(*skel.CmdArgs) error {
	return func(args *skel.CmdArgs) error {
		_, err := run(verb, args)
		return shown(err)
	}
}

func run(verb cniwire.Verb, args *skel.CmdArgs) (*cniwire.Result, error) {
	call, err := cniwire.Parse(verb, cniwire.Invocation{
		ContainerID: args.ContainerID, NetNS: args.Netns, IfName: args.IfName,
		Args: args.Args, Config: args.StdinData,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return Call(ctx, call)
}

// shown turns our error into the one that skel prints for the runtime.
func shown(err error) error {
	if err == nil {
		return nil
	}
	var ours *cniwire.Error
	if !errors.As(err, &ours) {
		return types.NewError(types.ErrTryAgainLater, err.Error(), "")
	}
	return types.NewError(uint(ours.Code), ours.Message, ours.Details)
}

// asCNI writes the result in CNI's words: interface 0 is ours on the host,
// interface 1 the pod's.
func asCNI(result cniwire.Result, args *skel.CmdArgs) *current.Result {
	out := &current.Result{
		CNIVersion: current.ImplementedSpecVersion,
		Interfaces: []*current.Interface{
			{Name: result.HostLink},
			{Name: args.IfName, Mac: result.MAC, Mtu: result.MTU, Sandbox: args.Netns},
		},
	}
	for _, ip := range result.IPs {
		pod := 1
		bits := ip.Address.Addr().BitLen()
		out.IPs = append(out.IPs, &current.IPConfig{
			Interface: &pod,
			Address:   net.IPNet{IP: ip.Address.Addr().AsSlice(), Mask: net.CIDRMask(ip.Address.Bits(), bits)},
			Gateway:   ip.Gateway.AsSlice(),
		})
	}
	for _, route := range result.Routes {
		out.Routes = append(out.Routes, &types.Route{
			Dst: net.IPNet{IP: route.To.Addr().AsSlice(), Mask: net.CIDRMask(route.To.Bits(), route.To.Addr().BitLen())},
			GW:  route.Via.AsSlice(),
		})
	}
	return out
}
