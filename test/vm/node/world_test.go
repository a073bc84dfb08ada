package node

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hawser/test/netnstest"
)

// world is all that a NIC's owner can see of it, NetworkManager's view included:
// what it is before and after has to be equal. What the pod network itself has
// on a node is not in it, nor are the times that addresses and routes still have.
func world(t testing.TB, nic string) map[string]string {
	t.Helper()
	const fabric = "ovs-system|br-int|ovn0|genev_sys_6081"
	out := map[string]string{}
	for what, look := range map[string]string{
		"links":     `ip -d -j link show | jq -S '[.[] | select(.ifname | test("^(FABRIC|veth)") | not) | del(.stats, .stats64)]'`,
		"addresses": `ip -j address show | jq -S '[.[] | select(.ifname | test("^(FABRIC)") | not) | {ifname, addr_info}] | del(.[].addr_info[] | (.valid_life_time, .preferred_life_time))'`,
		"routes":    `{ ip route show table all; ip -6 route show table all; ip rule; ip -6 rule; } | grep -vE 'FABRIC|proto 158' | sed 's/ expires [0-9]*sec//'`,
		"tc":        `for nic in NIC $(cd /sys/class/net; ls -d eth*); do tc qdisc show dev $nic; tc filter show dev $nic ingress; tc filter show dev $nic egress; done`,
		"sysctls":   `grep -s . -r /proc/sys/net/ipv4/conf/NIC /proc/sys/net/ipv6/conf/NIC | sort || true`,
		"pins":      `find /sys/fs/bpf | sort`,
		"nm":        `nmcli -t -f DEVICE,TYPE,STATE,CONNECTION device | grep -vE '^(FABRIC)' | sort`,
		"ports":     ports,
		"bridges":   `ovs-vsctl list-br | grep -vx br-int || true; ovs-vsctl get open . external_ids:ovn-bridge-mappings 2>/dev/null || true`,
		"rules":     `ls /run/udev/rules.d 2>/dev/null || true`,
	} {
		out[what] = sh(t, "%s", strings.NewReplacer("FABRIC", fabric, "NIC", nic).Replace(look))
	}
	return out
}

// ports shows a team or bond and its ports: whose they are, whether they are up,
// and how often they were not; and teamd's process, which is the same as long as
// the team was not made anew.
const ports = `pgrep -x teamd || true
	for nic in NIC eth1 eth2; do
		ip -j link show dev $nic | jq -r '.[] | [.ifname, .operstate, .master, .address] | @tsv'
		echo $nic has lost and found its carrier $(cat /sys/class/net/$nic/carrier_changes) times
	done
	nmcli -t -f DEVICE,TYPE,STATE,CONNECTION device | grep -E '^(NIC|eth1|eth2):' | sort
	if [ -e /proc/net/bonding/NIC ]; then cat /proc/net/bonding/NIC; else teamdctl NIC state; fi`

// settled is the world once it no longer changes by itself: after Keepalived's
// greetings, IPv6's addresses, and NetworkManager's second thoughts.
func settled(t testing.TB, nic string) map[string]string {
	t.Helper()
	last := world(t, nic)
	for deadline := time.Now().Add(patience); ; {
		time.Sleep(2 * time.Second)
		now := world(t, nic)
		diff := cmp.Diff(last, now)
		if diff == "" {
			return now
		}
		if time.Now().After(deadline) {
			t.Fatalf("the machine changes still (-before +after):\n%s", diff)
		}
		last = now
	}
}

// onlooker sees to it that nobody on the machine or beside it notices anything.
type onlooker struct {
	nic    string
	before map[string]string
	pings  []*netnstest.Pings
	tcp    *netnstest.Stream
}

// watch begins: pings each 5 ms from the machine to the physical host and back,
// and a TCP stream.
func watch(t testing.TB, nic string) *onlooker {
	t.Helper()
	o := &onlooker{nic: nic, before: settled(t, nic)}
	const often = 5 * time.Millisecond
	o.pings = append(o.pings, netnstest.PingFrom(t, "", outsideAddress, often), netnstest.PingFrom(t, outsideNetNS, firstAddress, often))
	o.tcp = netnstest.StreamFrom(t, outsideNetNS, "", firstAddress)
	return o
}

// ping watches one more way, less often: each ping costs the emulator a
// millisecond.
func (o *onlooker) ping(t testing.TB, from, to string) {
	t.Helper()
	o.pings = append(o.pings, netnstest.PingFrom(t, from, to, 20*time.Millisecond))
}

// steady looks at the NIC's ports after something was done, and tells what was
// lost so far: the verdict over that is at the end.
func (o *onlooker) steady(t testing.TB, after string) {
	t.Helper()
	now := sh(t, "%s", strings.ReplaceAll(ports, "NIC", o.nic))
	if diff := cmp.Diff(o.before["ports"], now); diff != "" {
		t.Errorf("%s: the NIC is not as it was (-before +after):\n%s", after, diff)
	}
	taken := sh(t, `nmcli -t -f DEVICE,STATE device | grep -E '^(hw[ow]|br-`+provider+`)' | grep -v ':unmanaged$' || true`)
	if taken != "" {
		t.Errorf("%s: NetworkManager has taken %s", after, taken)
	}
	for _, pings := range o.pings {
		t.Logf("%s %s: %v", time.Now().Format("15:04:05"), after, pings.Lost())
	}
}

// unchanged wants the machine to be, or soon be, what it was.
func (o *onlooker) unchanged(t testing.TB, after string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Second) {
		diff := cmp.Diff(o.before, world(t, o.nic))
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%s: the machine is not as it was (-before +after):\n%s", after, diff)
			return
		}
	}
}

// end wants that nothing was lost.
func (o *onlooker) end(t testing.TB) {
	t.Helper()
	var seen []netnstest.Loss
	for _, pings := range o.pings {
		seen = append(seen, pings.End())
	}
	noLoss(t, seen)
	o.tcp.End()
}
