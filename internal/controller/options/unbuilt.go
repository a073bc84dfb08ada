package options

import (
	"flag"
	"fmt"
	"slices"
	"strings"
)

// NotBuilt is how the usage of a flag begins that is not built yet.
const NotBuilt = "not built yet"

// unbuilt is a flag of the contract that is not built yet: its name, its
// default, and whether another value can do no harm.
type unbuilt struct {
	flag     *flag.Flag
	harmless bool
}

// harmless flags tune what is done otherwise here, or name what does not exist
// yet: to go without them breaks nobody's promise.
var harmless = map[string]string{
	"ovn-sb-addr": "", "ovn-timeout": "60", "ovsdb-con-timeout": "3", "ovsdb-con-maxretry": "60",
	"ovsdb-inactivity-timeout": "10", "cust-crd-retry-min-delay": "1", "cust-crd-retry-max-delay": "20",
	"cluster-tcp-loadbalancer": "cluster-tcp-loadbalancer", "cluster-udp-loadbalancer": "cluster-udp-loadbalancer",
	"cluster-sctp-loadbalancer": "cluster-sctp-loadbalancer", "cluster-tcp-session-loadbalancer": "cluster-tcp-session-loadbalancer",
	"cluster-udp-session-loadbalancer": "cluster-udp-session-loadbalancer", "cluster-sctp-session-loadbalancer": "cluster-sctp-session-loadbalancer",
	"default-interface-name": "", "default-vlan-name": "ovn-vlan", "default-vlan-id": "1",
	"external-gateway-config-ns": "kube-system", "external-gateway-switch": "external", "external-gateway-net": "external",
	"external-gateway-vlanid": "0", "image": "", "frr-image": "quay.io/frrouting/frr:10.5.1",
	"bfd-min-tx": "100", "bfd-min-rx": "100", "detect-mult": "3",
	"worker-num": "3", "gc-interval": "360", "inspect-interval": "20", "nodepg-probe-time": "1", "log-perm": "640",
	"pod-nic-type": "veth-pair", "np-enforcement": "standard",
}

// harmlessSwitches are features that are off in effect until they are built.
var harmlessSwitches = map[string]bool{
	"enable-lb": true, "enable-np": true, "enable-eip-snat": true, "enable-external-vpc": false,
	"keep-vm-ip": true, "enable-live-migration-optimize": true, "ls-dnat-mod-dl-dst": true, "ls-ct-skip-dst-lport-ips": true,
}

// refused flags promise what is not there.
var refused = map[string]string{
	"network-type": "geneve", "skip-conntrack-dst-cidrs": "", "node-local-dns-ip": "",
	"tls-min-version": "", "tls-max-version": "", "tls-cipher-suites": "",
}

// refusedSwitches are the same as switches.
var refusedSwitches = map[string]bool{
	"default-logical-gateway": false, "default-u2o-interconnection": false, "default-exchange-link-name": false,
	"enable-ecmp": false, "enable-lb-svc": false, "enable-ovn-lb-prefer-local": false, "enable-anp": false,
	"enable-dns-name-resolver": false, "enable-ovn-ipsec": false, "cert-manager-ipsec-cert": false,
	"non-primary-cni-mode": false, "secure-serving": false,
}

func (o *Options) bindUnbuilt(flags *flag.FlagSet) {
	add := func(name string, harmless bool) {
		o.unbuilt = append(o.unbuilt, unbuilt{flag: flags.Lookup(name), harmless: harmless})
	}
	for _, group := range []struct {
		texts    map[string]string
		switches map[string]bool
		harmless bool
	}{{harmless, harmlessSwitches, true}, {refused, refusedSwitches, false}} {
		for name, value := range group.texts {
			flags.String(name, value, NotBuilt)
			add(name, group.harmless)
		}
		for name, value := range group.switches {
			flags.Bool(name, value, NotBuilt)
			add(name, group.harmless)
		}
	}
}

// refuseUnbuilt finds flags that ask for more than there is.
func (o *Options) refuseUnbuilt() []error {
	var errs []error
	for _, u := range o.unbuilt {
		if !u.harmless && u.flag.Value.String() != u.flag.DefValue {
			errs = append(errs, fmt.Errorf("--%s=%s: not built yet; leave it at %q", u.flag.Name, u.flag.Value, u.flag.DefValue))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// Ignored lists the flags that were given and have no effect.
func (o *Options) Ignored() []string {
	var names []string
	for _, u := range o.unbuilt {
		if u.harmless && u.flag.Value.String() != u.flag.DefValue {
			names = append(names, "--"+u.flag.Name)
		}
	}
	slices.Sort(names)
	return names
}
