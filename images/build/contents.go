package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"hawser/images/debian"
	"hawser/images/oci"
)

// part is an image with the key of the packages below it, which stands for the
// content of its lowest layer.
type part struct {
	oci.Image
	baseKey string
}

// ours are the programs of the image kube-ovn, plugins the CNI plugins beside
// them; a node gets loopback and portmap from us, so that it needs no other
// package, and the rest for attachments.
var (
	ours    = []string{"kube-ovn-controller", "kube-ovn-daemon", "kube-ovn", "kube-ovn-leader-checker"}
	plugins = []string{
		"main/loopback", "meta/portmap", "main/macvlan", "main/ipvlan", "main/bridge", "ipam/host-local", "meta/tuning",
	}
)

// kubeOVN is the image of our own programs. Its base is there for nft, which
// the agent's nftables library runs, and for the certificate authorities.
func (o *options) kubeOVN(ctx context.Context, architecture string) (part, error) {
	base := debian.Tree{
		Architecture: architecture,
		Packages:     []string{"base-files", "nftables", "ca-certificates"},
		Drop:         []string{"usr/share/ca-certificates", "usr/share/base-files", "usr/bin/c_rehash", "var/run"},
		// Container runtimes name network namespaces by /var/run/netns.
		Links: map[string]string{"var/run": "/run"},
	}
	root, err := base.Build(ctx, o.cache, os.Stderr)
	if err != nil {
		return part{}, err
	}
	pluginLayer, err := o.compile(ctx, "cni-plugins", architecture, "kube-ovn/cni", pluginPackages())
	if err != nil {
		return part{}, err
	}
	ourLayer, err := o.compile(ctx, "kube-ovn", architecture, "kube-ovn", ourPackages())
	if err != nil {
		return part{}, err
	}
	image := oci.Image{
		Ref: o.ref("kube-ovn"), Architecture: architecture, Labels: o.labels(),
		Layers: []string{root, pluginLayer, ourLayer},
		Env:    []string{"PATH=/kube-ovn:/usr/sbin:/usr/bin"},
	}
	return part{image, base.Key()}, nil
}

// ovn is the image of Open vSwitch and OVN with our start scripts. The daemons
// that a Debian machine would start by systemd are started by these.
func (o *options) ovn(ctx context.Context, architecture string) (part, error) {
	base := debian.Tree{
		Architecture: architecture,
		Packages: []string{
			"base-files", "bash", "coreutils", "dash", "grep", "sed", "mawk", "findutils", "util-linux",
			"procps", "iproute2", "kmod", "openssl", "openvswitch-switch", "ovn-central", "ovn-host",
		},
		Drop: []string{
			"usr/bin/python*", "usr/bin/py3*", "usr/bin/pydoc*", "usr/bin/perl*", "usr/bin/deb-systemd-*",
			"usr/bin/systemd*", "usr/bin/busctl", "usr/bin/hostnamectl", "usr/bin/journalctl", "usr/bin/localectl",
			"usr/bin/loginctl", "usr/bin/systemctl", "usr/bin/networkctl", "usr/bin/timedatectl", "usr/bin/varlinkctl", "usr/bin/kernel-install",
			"usr/bin/ovn-ic*", "usr/bin/ovn_detrace*", "usr/bin/ovn-detrace", "usr/share/*/bugtool-plugins",
		},
		Links: map[string]string{
			"usr/bin/awk":           "mawk",
			"usr/sbin/ovs-vswitchd": "../lib/openvswitch-switch/ovs-vswitchd",
		},
	}
	root, err := base.Build(ctx, o.cache, os.Stderr)
	if err != nil {
		return part{}, err
	}
	scripts, err := o.scripts(architecture)
	if err != nil {
		return part{}, err
	}
	image := oci.Image{
		Ref: o.ref("ovn"), Architecture: architecture, Labels: o.labels(),
		Layers: []string{root, scripts},
		Env:    []string{"PATH=/kube-ovn:/usr/share/ovn/scripts:/usr/share/openvswitch/scripts:/usr/sbin:/usr/bin"},
	}
	return part{image, base.Key()}, nil
}

func (o *options) ref(name string) string { return o.registry + "/" + name + ":" + o.tag }

func (o *options) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":    "Hawser",
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.version":  o.version,
	}
}

func ourPackages() []string {
	packages := make([]string, len(ours))
	for i, name := range ours {
		packages[i] = "hawser/cmd/" + name
	}
	return packages
}

func pluginPackages() []string {
	packages := make([]string, len(plugins))
	for i, name := range plugins {
		packages[i] = "github.com/containernetworking/plugins/plugins/" + name
	}
	return packages
}

// stage is the directory of a layer that this command fills. It stays between
// runs, so that the linker sees that a program is up to date.
func (o *options) stage(layer, architecture string) string {
	return filepath.Join(o.out, "stage", strings.Join([]string{layer, architecture}, "-"))
}
