package options

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func parse(t *testing.T, env map[string]string, args ...string) (*Options, error) {
	t.Helper()
	var o Options
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o.Bind(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	o.Environment(func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	return &o, o.Validate()
}

var onN1 = map[string]string{"NODE_NAME": "n1", "POD_IP": "172.30.0.11"}

// TestChart: the command line of our chart.
func TestChart(t *testing.T) {
	o, err := parse(t, onN1, "--install-cni-config=true", "--cni-conf-dir=/etc/cni/net.d", "--iface=", "--network-type=geneve",
		"--mtu=0", "--encap-cidr=198.19.0.0/16", "--service-cluster-ip-range=10.96.0.0/12")
	if err != nil {
		t.Fatal(err)
	}
	if o.Node != "n1" || o.Address() != "172.30.0.11:10665" || o.ConflistPath() != "/etc/cni/net.d/01-kube-ovn.conflist" || o.OVSEndpoint() != "" {
		t.Errorf("node %s, address %s, conflist %s, OVS %s", o.Node, o.Address(), o.ConflistPath(), o.OVSEndpoint())
	}
	if plan := o.Plan(); plan.EncapCIDR.String() != "198.19.0.0/16" || !plan.EncapChecksum || plan.JoinSubnet != "join" || plan.Vpc != "ovn-cluster" {
		t.Errorf("plan %+v", plan)
	}
}

// TestKubeOVN: the command line that an existing manifest has.
func TestKubeOVN(t *testing.T) {
	o, err := parse(t, map[string]string{"KUBE_NODE_NAME": "n2"}, "--enable-mirror=false", "--mirror-iface=mirror0", "--node-switch=join",
		"--encap-checksum=true", "--service-cluster-ip-range=10.96.0.0/12", "--iface=eth1", "--dpdk-tunnel-iface=br-phy", "--network-type=geneve",
		"--default-interface-name=", "--enable-metrics=true", "--kubelet-dir=/var/lib/kubelet", "--enable-tproxy=false",
		"--ovs-vsctl-concurrency=100", "--secure-serving=false", "--enable-ovn-ipsec=false", "--set-vxlan-tx-off=false", "--enable-arp-detect-ip-conflict")
	if err != nil {
		t.Fatal(err)
	}
	if o.Node != "n2" || o.ConflistPath() != "" || !slices.Contains(o.Ignored(), "--ovs-vsctl-concurrency") {
		t.Errorf("node %s, conflist %q, ignored %v", o.Node, o.ConflistPath(), o.Ignored())
	}
}

func TestMistakesAreFoundAtOnce(t *testing.T) {
	_, err := parse(t, nil, "--mtu=70000", "--encap-cidr=198.19.0.0", "--network-type=vxlan", "--enable-tproxy")
	for _, mistake := range []string{"NODE_NAME", "--mtu", "--encap-cidr", "--network-type=vxlan", "--enable-tproxy=true"} {
		if err == nil || !strings.Contains(err.Error(), mistake) {
			t.Errorf("%s is not refused: %v", mistake, err)
		}
	}
}

func TestUplinks(t *testing.T) {
	o, err := parse(t, onN1, "--nic-exclude=mgmt*,bond0", "--uplink-mark=7")
	if err != nil || o.Uplinks().Mark != 7 || !slices.Equal(o.Uplinks().Exclude, []string{"mgmt*", "bond0"}) {
		t.Errorf("%v, %+v", err, o.Uplinks())
	}
	if silent, err := parse(t, onN1, "--ask-foreign-macs=false"); err != nil || !o.AskForeignMACs || silent.AskForeignMACs {
		t.Errorf("%v: by default %v", err, o.AskForeignMACs)
	}
	for _, mistake := range []string{"--nic-exclude=[", "--uplink-mark=0"} {
		if _, err := parse(t, onN1, mistake); err == nil {
			t.Errorf("%s is taken", mistake)
		}
	}
}

func TestOther(t *testing.T) {
	o, err := parse(t, onN1, "--encap-cidr=", "--ovs-socket=/tmp/db.sock")
	if err != nil || o.Plan().EncapCIDR.IsValid() || o.OVSEndpoint() != "unix:/tmp/db.sock" {
		t.Errorf("%v, %v, %s", err, o.Plan(), o.OVSEndpoint())
	}
}
