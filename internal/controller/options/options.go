// Package options reads the command line and the environment of
// kube-ovn-controller into one checked value. It keeps every flag that the
// contract names: those that are not built yet are taken as long as they say
// what is the case anyway, and refused with a clear line otherwise.
package options

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hawser/internal/controller"
	"hawser/internal/plan/overlay"
)

// Options configure the controller.
type Options struct {
	NBAddress  string
	Kubeconfig string

	DefaultSubnet, DefaultCIDR, DefaultGateway, DefaultExcludeIPs string
	DefaultGatewayCheck                                           bool
	JoinSubnet, JoinCIDR, JoinGateway                             string
	Vpc, ServiceCIDR, DefaultProvider                             string

	Metrics, Pprof bool
	Port           int
	LeaseDuration  time.Duration
	RenewDeadline  time.Duration
	RetryPeriod    time.Duration

	environment
	unbuilt []unbuilt
}

// environment is what the chart sets by variables.
type environment struct {
	TLS             bool
	DatabaseIPs     []string
	DatabasePort    string
	Namespace       string
	Pod             string // name of our pod; empty outside of one
	BindIP          string
	ServiceHost     string
	Rotation        time.Duration // how often certificates are renewed at least; 0 for two thirds of their life
	environmentErrs []error
}

// Bind makes the flags known.
func (o *Options) Bind(flags *flag.FlagSet) {
	flags.StringVar(&o.NBAddress, "ovn-nb-addr", "", `northbound database, such as "tcp:[192.0.2.1]:6641,tcp:[192.0.2.2]:6641" (default: from OVN_DB_IPS)`)
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "file that says where the API server is (default: in-cluster)")

	flags.StringVar(&o.DefaultSubnet, "default-ls", "ovn-default", "name of the default subnet")
	flags.StringVar(&o.DefaultCIDR, "default-cidr", "10.16.0.0/16", "CIDR of the default subnet, IPv4, IPv6 or both")
	flags.StringVar(&o.DefaultGateway, "default-gateway", "", "gateway of the default subnet (default: its first address)")
	flags.StringVar(&o.DefaultExcludeIPs, "default-exclude-ips", "", "addresses of the default subnet that pods never get, comma separated, a..b for ranges")
	flags.BoolVar(&o.DefaultGatewayCheck, "default-gateway-check", true, "whether pods of the default subnet check that their gateway answers")
	flags.StringVar(&o.JoinSubnet, "node-switch", "join", "name of the subnet that nodes join the network by")
	flags.StringVar(&o.JoinCIDR, "node-switch-cidr", "100.64.0.0/16", "CIDR of that subnet")
	flags.StringVar(&o.JoinGateway, "node-switch-gateway", "", "gateway of that subnet (default: its first address)")
	flags.StringVar(&o.Vpc, "cluster-router", "ovn-cluster", "name of the default VPC")
	flags.StringVar(&o.ServiceCIDR, "service-cluster-ip-range", "10.96.0.0/12", "where ClusterIPs come from")

	flags.StringVar(&o.DefaultProvider, "default-provider-name", "provider", "provider network of a Vlan that names none")

	flags.BoolVar(&o.Metrics, "enable-metrics", true, "serve /metrics")
	flags.BoolVar(&o.Pprof, "enable-pprof", false, "serve /debug/pprof")
	flags.IntVar(&o.Port, "pprof-port", 10660, "port of /metrics, /livez, /readyz and /debug/pprof")
	flags.DurationVar(&o.LeaseDuration, "leader-elect-lease-duration", 30*time.Second, "how long others wait for a silent leader")
	flags.DurationVar(&o.RenewDeadline, "leader-elect-renew-deadline", 20*time.Second, "how long a leader tries to renew before it ends")
	flags.DurationVar(&o.RetryPeriod, "leader-elect-retry-period", 6*time.Second, "pause between tries")
	o.bindUnbuilt(flags)
}

// Environment reads the variables that the contract names.
func (o *Options) Environment(lookup func(string) (string, bool)) {
	get := func(name, fallback string) string {
		value, _ := lookup(name)
		return cmp.Or(value, fallback)
	}
	o.TLS = get("ENABLE_SSL", "false") == "true"
	o.DatabaseIPs = list(get("OVN_DB_IPS", ""))
	o.DatabasePort = get("KUBE_OVN_NB_PORT", "6641")
	o.NBAddress = cmp.Or(o.NBAddress, get("OVN_NB_ADDR", ""))
	o.Namespace = get("POD_NAMESPACE", get("KUBE_NAMESPACE", "kube-system"))
	o.Pod = get("POD_NAME", "")
	o.BindIP = get("POD_IP", "")
	o.ServiceHost = get("KUBERNETES_SERVICE_HOST", "")
	if text := get("KUBE_OVN_TLS_ROTATION_INTERVAL", ""); text != "" {
		interval, err := time.ParseDuration(text)
		if err != nil || interval <= 0 {
			o.environmentErrs = append(o.environmentErrs, fmt.Errorf("environment KUBE_OVN_TLS_ROTATION_INTERVAL: %q is not a duration such as 2160h", text))
		}
		o.Rotation = interval
	}
}

// Validate finds every mistake at once.
func (o *Options) Validate() error {
	errs := slices.Clone(o.environmentErrs)
	for flag, text := range map[string]string{
		"default-cidr": o.DefaultCIDR, "node-switch-cidr": o.JoinCIDR, "service-cluster-ip-range": o.ServiceCIDR,
	} {
		if prefixes, err := prefixesOf(text); err != nil || len(prefixes) == 0 {
			errs = append(errs, fmt.Errorf("--%s: %q is not a network such as 10.16.0.0/16, nor two of both families", flag, text))
		}
	}
	if o.NBAddress == "" && len(o.DatabaseIPs) == 0 {
		errs = append(errs, errors.New("nobody says where the northbound database is: set OVN_DB_IPS or --ovn-nb-addr"))
	}
	if o.RenewDeadline >= o.LeaseDuration || o.RetryPeriod >= o.RenewDeadline {
		errs = append(errs, fmt.Errorf("--leader-elect-*: %s, %s, %s: the lease has to last longer than the renew deadline, and that longer than the retry period",
			o.LeaseDuration, o.RenewDeadline, o.RetryPeriod))
	}
	return errors.Join(append(errs, o.refuseUnbuilt()...)...)
}

// Endpoints are the northbound database's, in OVSDB's form.
func (o *Options) Endpoints() []string {
	if o.NBAddress != "" {
		return list(o.NBAddress)
	}
	scheme := "tcp"
	if o.TLS {
		scheme = "ssl"
	}
	var endpoints []string
	for _, ip := range o.DatabaseIPs {
		endpoints = append(endpoints, fmt.Sprintf("%s:[%s]:%s", scheme, strings.Trim(ip, "[]"), o.DatabasePort))
	}
	return endpoints
}

// Cluster is what the planners have to know.
func (o *Options) Cluster() overlay.Cluster {
	services, _ := prefixesOf(o.ServiceCIDR) // Validate has read it
	cluster := overlay.Cluster{
		Vpc: o.Vpc, DefaultSubnet: o.DefaultSubnet, JoinSubnet: o.JoinSubnet, ServiceCIDRs: services,
		DefaultProvider: o.DefaultProvider,
	}
	if host, err := netip.ParseAddr(o.ServiceHost); err == nil {
		cluster.APIServers = append(cluster.APIServers, host.Unmap())
	}
	return cluster
}

// Defaults are the objects that a cluster starts with.
func (o *Options) Defaults() controller.Defaults {
	return controller.Defaults{
		Cluster: o.Cluster(), CIDR: o.DefaultCIDR, Gateway: o.DefaultGateway,
		ExcludeIPs: o.DefaultExcludeIPs, GatewayCheck: o.DefaultGatewayCheck,
		JoinCIDR: o.JoinCIDR, JoinGateway: o.JoinGateway,
	}
}

// NeedsTLS tells whether an endpoint is to be reached by TLS.
func (o *Options) NeedsTLS() bool {
	return slices.ContainsFunc(o.Endpoints(), func(e string) bool { return strings.HasPrefix(e, "ssl:") })
}

func prefixesOf(text string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, word := range list(text) {
		prefix, err := netip.ParsePrefix(word)
		if err != nil {
			return nil, fmt.Errorf("reading a network: %w", err)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}

func list(text string) []string {
	var words []string
	for _, word := range strings.Split(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}
