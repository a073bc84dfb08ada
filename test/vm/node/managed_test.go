package node

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
)

// globalServers is a configuration of NetworkManager that has the host's name servers
// belong to no NIC.
const globalServers = "/etc/NetworkManager/conf.d/names.conf"

// TestManagedTakeover has NICs taken over that NetworkManager manages and goes on
// managing: without addresses, with the same teamd, whatever is restarted; and given
// back, it has them as before.
func TestManagedTakeover(t *testing.T) {
	for _, kind := range []string{"ethernet", "activebackup"} {
		t.Run(kind, func(t *testing.T) { managedTakeover(t, kind) })
	}
}

func managedTakeover(t *testing.T, kind string) {
	manager := networkManager(t)
	m := &managedTaken{network: &network{t: t, name: provider}, nic: ethernetNIC(t, kind)}
	cluster(t)
	controller(t)
	own := agent(t, first)
	sh(t, "nmcli connection modify uplink ipv4.dad-timeout 0")
	if kind == "ethernet" {
		m.refusedForNames()
	}
	restart(t, manager, m.nic)                           // the first sets a team's routes anew, without us too
	sh(t, "ip address add %s/32 dev %s", virtual, m.nic) // not NetworkManager's
	m.before, m.team = m.settled(), m.teamd()
	m.watch6()

	bears(t, m.costs("taking", func() {
		m.take()
		m.quiet()
	}))
	bears(t, m.costs("the agent killed", func() {
		own.end(syscall.SIGKILL)
		own.begin()
		ready(t, first)
		m.quiet()
	}))
	bears(t, m.costs("NetworkManager restarted", func() {
		restart(t, manager, m.nic)
		m.quiet()
	}))
	if kind == "ethernet" {
		m.unplugged()
	} else {
		bears(t, m.costs("NetworkManager restarted without an agent", func() {
			own.end(syscall.SIGKILL)
			restart(t, manager, m.nic)
			t.Log(sh(t, "ip route; ip neighbour; ip -o address show dev %s", m.nic))
			own.begin()
			ready(t, first)
			m.quiet()
		}))
	}
	bears(t, m.costs("giving back", m.leave))
	m.asBefore("given back")
}

// ethernetNIC is a plain NIC with addresses of both families by NetworkManager, or
// a team with one of IPv4.
func ethernetNIC(t testing.TB, kind string) string {
	t.Helper()
	if kind != "ethernet" {
		return managedNIC(t, kind)
	}
	nics(t, false)
	t.Cleanup(func() {
		_, _ = try(`nmcli -t -f UUID connection | xargs -n1 nmcli connection delete; ip -n outside address del fd00:50::254/64 dev br0`)
	})
	sh(t, `ip -n outside address add fd00:50::254/64 dev br0 nodad
		udevadm settle --timeout=60
		nmcli connection add type ethernet con-name uplink ifname eth1 %s ipv6.method manual ipv6.addresses fd00:50::1/64 ipv6.gateway fd00:50::254
		nmcli --wait 60 connection up uplink`, fixed)
	await(t, "ping -c 1 -W 1 %s && ping -6 -c 1 -W 1 fd00:50::254", outsideAddress)
	return "eth1"
}

// managedTaken is a NIC of NetworkManager's in a provider network that takes it over.
type managedTaken struct {
	*network
	nic          string
	before, team string
}

func (m *managedTaken) take() {
	m.t.Helper()
	m.put(&kubeovnv1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: provider},
		Spec:       kubeovnv1.ProviderNetworkSpec{DefaultInterface: m.nic, Attachment: kubeovnv1.AttachmentTakeover},
	})
	m.taken()
}

// quiet waits until the NIC is taken over and has nothing of the host's, and wants
// NetworkManager to manage it as before.
func (m *managedTaken) quiet() {
	m.t.Helper()
	m.taken()
	await(m.t, "%s", strings.ReplaceAll(`test -z "$(ip -o address show dev NIC scope global; ip route show table all dev NIC | grep -v 'table local'; ip -6 route show dev NIC | grep -v '^fe80\|^multicast')"
		ip -o address show dev br-lan | grep -w `+firstAddress, "NIC", m.nic))
	view := m.devices()
	if want := m.nic + ":"; !strings.Contains(view, want) || strings.Contains(view, "unmanaged") || strings.Count(view, ":connected:") != strings.Count(m.before, ":connected:") {
		m.t.Errorf("NetworkManager has now\n%s", view)
	}
}

// teamd is the process of a team, if the NIC is one.
func (m *managedTaken) teamd() string {
	m.t.Helper()
	return sh(m.t, "pgrep -x teamd || true")
}

// devices are the NIC and its ports as NetworkManager has them.
func (m *managedTaken) devices() string {
	m.t.Helper()
	return sh(m.t, "%s", strings.ReplaceAll("nmcli -t -f DEVICE,TYPE,STATE,CONNECTION device | grep -E '^(NIC|eth1|eth2):' | sort", "NIC", m.nic))
}

// refusedForNames is a profile whose name servers would go, and what the message says
// to do then.
func (m *managedTaken) refusedForNames() {
	m.t.Helper()
	m.t.Cleanup(func() { os.Remove(globalServers) })
	sh(m.t, "nmcli connection modify uplink ipv4.dns 192.168.50.53 ipv4.dns-search lan.test && nmcli device reapply %s", m.nic)
	m.t.Logf("names:\n%s", names(m.t))
	n := &network{t: m.t, name: "refused"}
	n.put(&kubeovnv1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: n.name},
		Spec:       kubeovnv1.ProviderNetworkSpec{DefaultInterface: m.nic, Attachment: kubeovnv1.AttachmentTakeover},
	})
	status := n.until("is refused", func(status kubeovnv1.ProviderNetworkNodeStatus) bool { return status.Phase == kubeovnv1.PhaseFailed })
	if status.Reason != kubeovnv1.ReasonUnsupported || !strings.Contains(status.Message, "name servers") {
		m.t.Errorf("%s: %s", status.Reason, status.Message)
	}
	n.leave()
	if err := os.WriteFile(globalServers, []byte("[global-dns]\nsearches=lan.test\n[global-dns-domain-*]\nservers=192.168.50.53\n"), 0o644); err != nil {
		m.t.Fatal(err)
	}
	sh(m.t, "nmcli general reload conf")
}

func names(t testing.TB) string {
	t.Helper()
	return sh(t, "grep -v '^#' /etc/resolv.conf || true")
}

// view is what people and NetworkManager see of the NIC, whatever the order in which
// addresses came to it.
func (m *managedTaken) view() string {
	m.t.Helper()
	return m.devices() + "\n" + sh(m.t, "%s", strings.ReplaceAll(`ip -j address show dev NIC | jq -S '.[0] | {operstate, mtu, address, addr_info}'
		for family in -4 -6; do ip $family route show table all | { grep -w NIC || true; } | sort; ip $family rule show; done
		nmcli -t -f GENERAL.STATE,GENERAL.CONNECTION,IP4,IP6 device show NIC | sed 's/\[[0-9]*\]//' | sort
		nmcli -t -f connection,ipv4,ipv6 connection show uplink | grep -v timestamp
		grep -s . -r /proc/sys/net/ipv4/conf/NIC /proc/sys/net/ipv6/conf/NIC | sort || true
		ovs-vsctl list-br | grep -vx br-int || true`, "NIC", m.nic)) + "\n" + names(m.t)
}

// settled is the view once it no longer changes by itself.
func (m *managedTaken) settled() string {
	m.t.Helper()
	last := m.view()
	for deadline := time.Now().Add(patience); ; {
		time.Sleep(2 * time.Second)
		now := m.view()
		if now == last {
			return now
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("the NIC changes still (-before +after):\n%s", cmp.Diff(last, now))
		}
		last = now
	}
}

// kernels is a route of its own that the kernel leaves where a device had two link-local
// addresses and loses one (check_cleanup_prefix_route of addrconf.c), as it may while
// NetworkManager leaves IPv6 to it. It leads where NetworkManager's own leads.
var kernels = regexp.MustCompile(`(?m)^(fe80::/64 dev \S+ proto kernel metric 256 .*|IP6\.ROUTE:dst = fe80::/64, nh = ::, mt = 256)\n`)

func (m *managedTaken) asBefore(after string) {
	m.t.Helper()
	now := m.settled()
	if left := kernels.FindString(now); left != kernels.FindString(m.before) {
		m.t.Logf("%s: left by the kernel: %q", after, left)
	}
	if diff := cmp.Diff(kernels.ReplaceAllString(m.before, ""), kernels.ReplaceAllString(now, "")); diff != "" {
		m.t.Errorf("%s: the NIC is not as it was (-before +after):\n%s", after, diff)
	}
}

// costs are those of a takeover; and teamd has to be the same process after it.
func (m *managedTaken) costs(what string, do func()) cost {
	m.t.Helper()
	c := costs(m.t, what, do)
	if now := m.teamd(); now != m.team {
		m.t.Errorf("%s: teamd was process %q and is %q", what, m.team, now)
	}
	return c
}

// watch6 pings by IPv6 until the test ends, and tells what was lost.
func (m *managedTaken) watch6() {
	m.t.Helper()
	if m.nic != "eth1" {
		return
	}
	sh(m.t, "rm -f /out/ping6.log")
	pings := daemon(m.t, "ping6", "ping", "-6", "-D", "-O", "-i", "0.05", "fd00:50::254")
	m.t.Cleanup(func() {
		pings.end(syscall.SIGINT)
		m.t.Logf("IPv6: %s", sh(m.t, "tail -n 3 /out/ping6.log; grep 'no answer yet' /out/ping6.log | cut -d. -f1 | sort | uniq -c || true"))
	})
}

// unplugged is the loss of the carrier, which has NetworkManager let go of a plain NIC
// and take it again: the host is there again soon after the cable is.
func (m *managedTaken) unplugged() {
	m.t.Helper()
	sh(m.t, "for i in 1 2; do ip -n outside link set far$i down; done; sleep 8; for i in 1 2; do ip -n outside link set far$i up; done")
	await(m.t, "nmcli -t -f DEVICE,STATE device | grep -qx %s:connected", m.nic)
	await(m.t, "ping -q -c 3 -i 0.2 -W 5 %s", outsideAddress)
	m.quiet()
}
