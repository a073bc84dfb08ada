// Package options reads the command line and the environment of
// kube-ovn-daemon into one checked value. It keeps every flag that the contract
// names: those that are not built yet are taken as long as they say what is the
// case anyway, and refused with a clear line otherwise.
package options

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"path/filepath"
	"strconv"

	"github.com/spf13/pflag"

	"hawser/internal/host"
	"hawser/internal/nodeplan/overlay"
	"hawser/internal/nodeplan/uplink"
)

// Options configure the agent.
type Options struct {
	Node       string
	Kubeconfig string

	Interface     string
	MTU           int
	EncapChecksum bool
	EncapCIDR     string
	Vpc           string
	JoinSubnet    string

	UplinkMark      uint32
	DetectConflicts bool
	NICExclude      []string
	EnableTakeover  bool
	AskForeignMACs  bool
	Journal         string

	Socket    string
	OVSSocket string

	InstallConflist bool
	ConflistDir     string
	ConflistName    string
	ConflistSource  string

	Pprof  bool
	Port   int
	bindIP string

	unbuilt []unbuilt
}

// Bind makes the flags known.
func (o *Options) Bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.Node, "node-name", "", "the node's name in Kubernetes (default: from NODE_NAME)")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "file that says where the API server is (default: in-cluster)")

	flags.StringVar(&o.Interface, "iface", "", "interface that tunnels end at: a name, or names and regular expressions separated by commas (default: that of the node's IP)")
	flags.IntVar(&o.MTU, "mtu", 0, "MTU of pods, in bytes (default: what the tunnel leaves)")
	flags.BoolVar(&o.EncapChecksum, "encap-checksum", true, "UDP checksums on tunnel packets")
	flags.StringVar(&o.EncapCIDR, "encap-cidr", "198.19.0.0/16", "where tunnels of the userspace datapath get their addresses from; unused in the LAN and as large as the join subnet")
	flags.StringVar(&o.Vpc, "cluster-router", "ovn-cluster", "name of the default VPC")
	flags.StringVar(&o.JoinSubnet, "node-switch", "join", "name of the subnet that nodes join the network by")

	flags.Uint32Var(&o.UplinkMark, "uplink-mark", host.UplinkMark, "mark (skb->mark) of frames that a shared uplink has passed on; a number that nothing else on the node uses")
	flags.BoolVar(&o.EnableTakeover, "enable-takeover", true, "let provider networks take NICs over, with all that the host has on them, where they ask for it")
	flags.BoolVar(&o.AskForeignMACs, "ask-foreign-macs", true, "ask the network of a shared NIC, from a random MAC, whether it lets those of pods through")
	flags.StringSliceVar(&o.NICExclude, "nic-exclude", nil, "NICs that no provider network may use: names and patterns such as mgmt*, separated by commas")
	flags.BoolVar(&o.DetectConflicts, "enable-arp-detect-ip-conflict", true, "keep a pod from starting with an address that somebody on the physical network has")
	flags.StringVar(&o.Journal, "uplink-journal", "/etc/origin/uplinks", "folder, on a disk, where the changes to NICs are noted before they are made")

	flags.StringVar(&o.Socket, "bind-socket", "/run/openvswitch/kube-ovn-daemon.sock", "where the CNI plugin finds the agent")
	flags.StringVar(&o.OVSSocket, "ovs-socket", "", "socket of the local Open vSwitch database (default: /run/openvswitch/db.sock)")

	flags.BoolVar(&o.InstallConflist, "install-cni-config", false, "write the CNI configuration once the node is ready")
	flags.StringVar(&o.ConflistDir, "cni-conf-dir", "/etc/cni/net.d", "folder of the CNI configuration")
	flags.StringVar(&o.ConflistName, "cni-conf-name", "01-kube-ovn.conflist", "name of its file")
	flags.StringVar(&o.ConflistSource, "cni-conf-file", "/kube-ovn/01-kube-ovn.conflist", "a configuration to write instead of the agent's own, if the file exists")

	flags.BoolVar(&o.Pprof, "enable-pprof", false, "serve /debug/pprof")
	flags.IntVar(&o.Port, "pprof-port", 10665, "port of /metrics, /livez, /readyz and /debug/pprof")
	o.bindUnbuilt(flags)
}

// Environment reads the variables that the contract names.
func (o *Options) Environment(lookup func(string) (string, bool)) {
	get := func(name string) string {
		value, _ := lookup(name)
		return value
	}
	o.Node = cmp.Or(o.Node, get("NODE_NAME"), get("KUBE_NODE_NAME"))
	o.bindIP = get("POD_IP")
}

// Validate finds every mistake at once.
func (o *Options) Validate() error {
	var errs []error
	if o.Node == "" {
		errs = append(errs, errors.New("nobody says which node this is: set NODE_NAME or --node-name"))
	}
	if o.MTU < 0 || o.MTU > 65535 {
		errs = append(errs, fmt.Errorf("--mtu: %d is no number of bytes that fits a packet", o.MTU))
	}
	if _, err := o.encapCIDR(); err != nil {
		errs = append(errs, err)
	}
	if o.UplinkMark == 0 {
		errs = append(errs, errors.New("--uplink-mark: 0 is the mark of every frame; choose another number"))
	}
	for _, pattern := range o.NICExclude {
		if _, err := path.Match(pattern, ""); err != nil {
			errs = append(errs, fmt.Errorf("--nic-exclude: %q is not a name or a pattern such as mgmt*", pattern))
		}
	}
	return errors.Join(append(errs, o.refuseUnbuilt()...)...)
}

func (o *Options) encapCIDR() (netip.Prefix, error) {
	if o.EncapCIDR == "" {
		return netip.Prefix{}, nil // the plan says so where it is needed
	}
	prefix, err := netip.ParsePrefix(o.EncapCIDR)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("--encap-cidr: %q is not a network such as 198.19.0.0/16", o.EncapCIDR)
	}
	return prefix.Masked(), nil
}

// Plan is what the planner has to know.
func (o *Options) Plan() overlay.Options {
	encap, _ := o.encapCIDR() // Validate has read it
	return overlay.Options{
		Interface: o.Interface, MTU: o.MTU, EncapChecksum: o.EncapChecksum, EncapCIDR: encap,
		Vpc: o.Vpc, JoinSubnet: o.JoinSubnet,
	}
}

// Uplinks is what the planner of uplinks has to know.
func (o *Options) Uplinks() uplink.Options {
	return uplink.Options{Exclude: o.NICExclude, Mark: o.UplinkMark, Takeover: o.EnableTakeover}
}

// Address is where health and metrics are served.
func (o *Options) Address() string { return net.JoinHostPort(o.bindIP, strconv.Itoa(o.Port)) }

// OVSEndpoint is the local database's, in OVSDB's form; empty means the usual.
func (o *Options) OVSEndpoint() string {
	if o.OVSSocket == "" {
		return ""
	}
	return "unix:" + o.OVSSocket
}

// ConflistPath is where the CNI configuration goes; empty if it is not wanted.
func (o *Options) ConflistPath() string {
	if !o.InstallConflist {
		return ""
	}
	return filepath.Join(o.ConflistDir, o.ConflistName)
}
