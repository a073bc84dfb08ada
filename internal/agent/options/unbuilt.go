package options

import (
	"fmt"

	"github.com/spf13/pflag"
)

// unbuilt is a flag of the contract that is not built yet, and whether another
// value than its default can do no harm.
type unbuilt struct {
	flag     *pflag.Flag
	harmless bool
}

// harmless flags tune what is done otherwise here, or name what does not exist
// yet: to go without them breaks nobody's promise.
var harmless = map[string]string{
	"dpdk-tunnel-iface": "br-phy", "mirror-iface": "mirror0", "default-provider-name": "provider",
	"default-interface-name": "", "external-gateway-config-ns": "kube-system",
	"external-gateway-switch": "external", "service-cluster-ip-range": "10.96.0.0/12", "kubelet-dir": "/var/lib/kubelet",
	"tcp-conn-check-port": "8100", "udp-conn-check-port": "8101", "ovs-vsctl-concurrency": "100",
	"cert-manager-issuer-name": "kube-ovn", "ovn-ipsec-cert-duration": "63072000", "log-perm": "640", "enable-metrics": "true",
}

// refused flags promise what is not there.
var refused = map[string]string{
	"network-type": "geneve", "tls-min-version": "", "tls-max-version": "", "tls-cipher-suites": "",
}

// refusedSwitches are the same as switches, all of them off by default.
var refusedSwitches = []string{
	"host-tunnel-src", "set-vxlan-tx-off", "enable-mirror", "mac-learning-fallback", "enable-verbose-conn-check",
	"enable-tproxy", "enable-ovn-ipsec", "cert-manager-ipsec-cert", "non-primary-cni-mode", "secure-serving",
}

func (o *Options) bindUnbuilt(flags *pflag.FlagSet) {
	add := func(name string, harmless bool) {
		flag := flags.Lookup(name)
		flag.Hidden = true
		o.unbuilt = append(o.unbuilt, unbuilt{flag: flag, harmless: harmless})
	}
	for name, value := range harmless {
		flags.String(name, value, "not built yet")
		add(name, true)
	}
	flags.Lookup("enable-metrics").NoOptDefVal = "true" // as a switch may be given without a value
	for name, value := range refused {
		flags.String(name, value, "not built yet")
		add(name, false)
	}
	for _, name := range refusedSwitches {
		flags.Bool(name, false, "not built yet")
		add(name, false)
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
	return errs
}

// Ignored lists the flags that were given another value than their default and
// have no effect.
func (o *Options) Ignored() []string {
	var names []string
	for _, u := range o.unbuilt {
		if u.harmless && u.flag.Changed {
			names = append(names, "--"+u.flag.Name)
		}
	}
	return names
}
