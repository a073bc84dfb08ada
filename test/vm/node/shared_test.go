package node

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// The pod on the physical network, and the virtual address that Keepalived has.
const (
	podMAC     = "0a:00:00:00:50:0a"
	podAddress = "192.168.50.10"
	virtual    = "192.168.50.100"
	peer       = "192.168.50.3"
)

// world is all that a NIC's owner can see of it, NetworkManager's view included:
// what it is before and after has to be equal.
func world(t testing.TB, nic string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for what, look := range map[string]string{
		"links":     `ip -d -j link show | jq -S '[.[] | select(.ifname | test("^(ovs-system|br-int|veth)") | not) | del(.stats, .stats64)]'`,
		"addresses": `ip -j address show | jq -S '[.[] | select(.ifname | test("^(ovs-system|br-int)") | not) | {ifname, addr_info}]'`,
		"routes":    `ip route show table all; ip -6 route show table all; ip rule; ip -6 rule`,
		"tc":        `for nic in ` + nic + ` eth1 eth2; do tc qdisc show dev $nic; tc filter show dev $nic ingress; tc filter show dev $nic egress; done`,
		"sysctls":   `grep -s . -r /proc/sys/net/ipv4/conf/` + nic + ` /proc/sys/net/ipv6/conf/` + nic + ` | sort || true`,
		"pins":      `find /sys/fs/bpf | sort`,
		"nm":        `nmcli -t -f DEVICE,TYPE,STATE,CONNECTION device | grep -v '^\(ovs-system\|br-int\)' | sort`,
		"teamd":     `pgrep -x teamd || true`,
		"bridges":   `ovs-vsctl list-br; ovs-vsctl get open . external_ids:ovn-bridge-mappings 2>/dev/null || true`,
		"rules":     `ls /run/udev/rules.d 2>/dev/null || true`,
	} {
		out[what] = sh(t, "%s", look)
	}
	return out
}

// keepalived runs one of the two that share the virtual address.
func keepalived(t testing.TB, name string, at place, device, state string, priority int) {
	t.Helper()
	sh(t, `mkdir -p /run/keepalived-%[1]s
		cat >/run/keepalived-%[1]s/conf <<-END
		global_defs {
		    router_id %[1]s
		}
		vrrp_instance lan {
		    state %[3]s
		    interface %[2]s
		    virtual_router_id 50
		    priority %[4]d
		    advert_int 1
		    virtual_ipaddress {
		        %[5]s/32
		    }
		}
		END`, name, device, state, priority, virtual)
	daemon(t, "keepalived-"+name, append(at, "keepalived", "--dont-fork", "--log-console", "--vrrp",
		"--use-file", "/run/keepalived-"+name+"/conf", "--pid", "/run/keepalived-"+name+"/pid", "--vrrp_pid", "/run/keepalived-"+name+"/vrrp")...)
}

// transitions are the lines of both Keepalived's logs that tell of one.
func transitions(t testing.TB) string {
	t.Helper()
	return sh(t, "grep -hE 'Entering|Changing|FAULT|down' /out/keepalived-*.log || true")
}

// pair runs Keepalived on the machine, as master, and on a neighbour outside.
func pair(t testing.TB, nic string) {
	t.Helper()
	t.Cleanup(func() {
		_, _ = try("ip netns del peer; rm -f /out/keepalived-*.log; ip address del " + virtual + "/32 dev " + nic)
	})
	sh(t, `ip netns add peer
		ip link add eth0 netns peer type veth peer name peer netns outside
		ip -n outside link set peer master br0 up
		ip -n peer link set lo up
		ip -n peer link set eth0 up
		ip -n peer address add %s/24 dev eth0`, peer)
	keepalived(t, "first", here, nic, "MASTER", 150)
	keepalived(t, "peer", place{"ip", "netns", "exec", "peer"}, "eth0", "BACKUP", 100)
	await(t, "ip address show dev %s | grep -q %s && ip netns exec peer ping -c 1 -W 1 %s", nic, virtual, virtual)
}

// guest is a pod on the physical network: a port of the provider's bridge.
func guest(t testing.TB) {
	t.Helper()
	t.Cleanup(func() { _, _ = try("ovs-vsctl --if-exists del-port guest; ip netns del guest") })
	sh(t, `ip netns add guest
		ip link add guest type veth peer name eth0 netns guest
		ip -n guest link set eth0 address %s up
		ip -n guest address add %s/24 dev eth0
		ip link set guest up
		ovs-vsctl add-port %s guest`, podMAC, podAddress, host.BridgeOf(provider))
	for _, neighbour := range []string{outsideAddress, firstAddress, virtual, peer} {
		await(t, "ip netns exec guest ping -c 1 -W 2 %s", neighbour)
	}
}

// TestSharedUplink is what the owner of a machine's only NIC may expect: a pod
// is on its network, and nothing of the machine notices. The agent is killed at
// every place of joining and again and again while it leaves, ovs-vswitchd once,
// with pings each 5 ms out, to the node and to its virtual address.
func TestSharedUplink(t *testing.T) {
	for _, kind := range []string{"activebackup", "lacp", "bond"} {
		t.Run(kind, func(t *testing.T) {
			nic := managedNIC(t, kind)
			openVSwitch(t)
			pair(t, nic)
			time.Sleep(3 * time.Second) // Keepalived's greetings, and IPv6 addresses, have settled
			before, told := world(t, nic), transitions(t)
			pings, toVirtual := pingOutside(t), netnstest.PingFrom(t, outsideNetNS, virtual, 5*time.Millisecond)

			places := everyPlace(t, nic)
			t.Logf("killed at %d places of joining", places)
			join(t, nic, 0)
			guest(t)
			restartVSwitch(t)
			guestAgain(t)
			sh(t, "ovs-vsctl del-port guest; ip netns del guest") // a bridge with another's port stays
			places = everyPlace(t, "")
			t.Logf("killed %d times while leaving", places)
			join(t, "", 0)

			noLoss(t, append(pings(), toVirtual.End()))
			if after := transitions(t); after != told {
				t.Errorf("Keepalived noticed:\n%s\nbefore:\n%s", after, told)
			}
			if diff := cmp.Diff(before, world(t, nic)); diff != "" {
				t.Errorf("the machine is not as it was (-before +after):\n%s", diff)
			}
		})
	}
}

// everyPlace kills an agent at the first place, the next one at the second, and
// so on until one gets through.
func everyPlace(t testing.TB, nic string) (places int) {
	t.Helper()
	for place := 1; join(t, nic, place); place++ {
		places = place
	}
	return places
}

// guestAgain waits until the pod's network is back.
func guestAgain(t testing.TB) {
	t.Helper()
	await(t, "ip netns exec guest ping -c 1 -W 2 %s && ip netns exec guest ping -c 1 -W 2 %s", outsideAddress, firstAddress)
}

// restartVSwitch kills ovs-vswitchd, which its container then starts again.
func restartVSwitch(t testing.TB) {
	t.Helper()
	sh(t, `cp /run/openvswitch/ovs-vswitchd.pid /run/killed.pid
		kill -9 $(cat /run/killed.pid)`)
	await(t, "! cmp -s /run/openvswitch/ovs-vswitchd.pid /run/killed.pid && ovs-appctl dpif/show")
}
