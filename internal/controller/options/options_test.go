package options

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, env map[string]string, args ...string) Options {
	t.Helper()
	var o Options
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	o.Bind(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	o.Environment(func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	return o
}

func TestDefaultsAreTheContracts(t *testing.T) {
	o := parse(t, map[string]string{"OVN_DB_IPS": "192.0.2.1,2001:db8::1"})
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	c := o.Cluster()
	if c.Vpc != "ovn-cluster" || c.DefaultSubnet != "ovn-default" || c.JoinSubnet != "join" || c.ServiceCIDRs[0].String() != "10.96.0.0/12" {
		t.Errorf("%+v", c)
	}
	if o.Namespace != "kube-system" || o.Port != 10660 || o.LeaseDuration != 30*time.Second {
		t.Errorf("%+v", o)
	}
	if d := o.Defaults(); d.CIDR != "10.16.0.0/16" || d.JoinCIDR != "100.64.0.0/16" {
		t.Errorf("%+v", d)
	}
}

func TestEndpoints(t *testing.T) {
	for want, o := range map[string]Options{
		"tcp:[192.0.2.1]:6641 tcp:[2001:db8::1]:6641": parse(t, map[string]string{"OVN_DB_IPS": "192.0.2.1, [2001:db8::1]"}),
		"ssl:[192.0.2.1]:7000":                        parse(t, map[string]string{"OVN_DB_IPS": "192.0.2.1", "ENABLE_SSL": "true", "KUBE_OVN_NB_PORT": "7000"}),
		"tcp:[192.0.2.9]:6641":                        parse(t, map[string]string{"OVN_DB_IPS": "192.0.2.1"}, "--ovn-nb-addr=tcp:[192.0.2.9]:6641"),
		"ssl:[192.0.2.8]:6641":                        parse(t, map[string]string{"OVN_NB_ADDR": "ssl:[192.0.2.8]:6641"}),
	} {
		if got := strings.Join(o.Endpoints(), " "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if o.NeedsTLS() != strings.HasPrefix(want, "ssl") {
			t.Errorf("%s: TLS %t", want, o.NeedsTLS())
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	o := parse(t, map[string]string{"KUBE_OVN_TLS_ROTATION_INTERVAL": "soon"},
		"--default-cidr=10.16.0.0", "--leader-elect-renew-deadline=60s", "--network-type=vlan", "--enable-ecmp=true")
	err := o.Validate()
	if err == nil {
		t.Fatal("all is accepted")
	}
	for _, part := range []string{
		"--default-cidr", "OVN_DB_IPS", "--leader-elect", "KUBE_OVN_TLS_ROTATION_INTERVAL",
		`--network-type=vlan: not built yet; leave it at "geneve"`, "--enable-ecmp=true",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not named in: %v", part, err)
		}
	}
}

func TestHarmlessFlagsAreTold(t *testing.T) {
	o := parse(t, map[string]string{"OVN_DB_IPS": "192.0.2.1", "KUBERNETES_SERVICE_HOST": "10.96.0.1"}, "--worker-num=8", "--enable-np=false", "--gc-interval=360")
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	if got := o.Ignored(); !slices.Equal(got, []string{"--enable-np", "--worker-num"}) {
		t.Errorf("ignored %v", got)
	}
	if c := o.Cluster(); len(c.APIServers) != 1 {
		t.Errorf("%+v", c)
	}
}
