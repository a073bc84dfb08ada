package node

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/test/kubeovn"
	"hawser/test/netnstest"
)

// bearable is what a takeover may cost of pings each 10 ms.
const bearable = 3

// TestTakeover has the agent take the machine's only NIC over, by which it reaches
// its API server too, and give it back, in the kernel's datapath, with VRRP on the
// NIC; it goes on while agent and ovs-vswitchd are killed.
func TestTakeover(t *testing.T) {
	own, keeper := takeoverScene(t, 150)
	bear := unnoticed
	for _, exchange := range []bool{true, false} {
		t.Run(fmt.Sprintf("exchanged %v", exchange), func(t *testing.T) {
			if !exchange {
				refused(t)
				keeper.end(syscall.SIGTERM)
				bear = bears
			}
			before := belongings(t)
			n := &network{t: t, name: provider}
			bear(t, costs(t, "taking", func() {
				n.put(&kubeovnv1.ProviderNetwork{
					ObjectMeta: metav1.ObjectMeta{Name: provider},
					Spec:       kubeovnv1.ProviderNetworkSpec{DefaultInterface: "eth1", Attachment: kubeovnv1.AttachmentTakeover, ExchangeLinkName: exchange},
				})
				n.taken()
			}))
			bear(t, costs(t, "the agent killed", func() {
				own.end(syscall.SIGKILL)
				own.begin()
				ready(t, first)
				n.taken()
			}))
			restartVSwitch(t)
			await(t, "ping -q -c 3 -i 0.2 -W 5 %s", outsideAddress)
			bear(t, costs(t, "giving back", n.leave))
			if diff := cmp.Diff(before, belongings(t)); diff != "" {
				t.Errorf("the machine is not as it was (-before +after):\n%s", diff)
			}
		})
	}
}

// refused is a takeover without an exchange of names beside Keepalived: it would find
// no address on its interface any more.
func refused(t *testing.T) {
	t.Helper()
	before := belongings(t)
	n := &network{t: t, name: "refused"}
	n.put(&kubeovnv1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: n.name},
		Spec:       kubeovnv1.ProviderNetworkSpec{DefaultInterface: "eth1", Attachment: kubeovnv1.AttachmentTakeover},
	})
	status := n.until("is refused", func(status kubeovnv1.ProviderNetworkNodeStatus) bool { return status.Phase == kubeovnv1.PhaseFailed })
	if status.Reason != kubeovnv1.ReasonInterfaceInUse || !strings.Contains(status.Message, "exchangeLinkName") {
		t.Errorf("%s: %s", status.Reason, status.Message)
	}
	n.leave()
	if diff := cmp.Diff(before, belongings(t)); diff != "" {
		t.Errorf("the machine is not as it was (-before +after):\n%s", diff)
	}
}

// What the machine's Keepalived says of itself.
const (
	waiting = "grep 'Entering .* STATE' /out/vrrp-first.log | tail -n 1 | grep -q BACKUP"
	spoken  = "grep -c 'Entering MASTER' /out/vrrp-first.log || true"
)

// TestTakeoverOfABackup is the same where the other router is the master: it stays that,
// the machine goes on waiting for its silence, and nobody speaks in its name. The node is
// excluded then, and lets go as when the network is deleted.
func TestTakeoverOfABackup(t *testing.T) {
	takeoverScene(t, 50)
	await(t, waiting)
	before, spoke := belongings(t), sh(t, spoken)
	waits := func(c cost) {
		bears(t, c)
		await(t, waiting)
		if now := sh(t, spoken); c.transitions != 0 || now != spoke {
			t.Errorf("the rival became master %d times, and the machine had been it %s times and now %s", c.transitions, spoke, now)
		}
	}
	n := &network{t: t, name: provider}
	waits(costs(t, "taking", func() {
		n.put(&kubeovnv1.ProviderNetwork{
			ObjectMeta: metav1.ObjectMeta{Name: provider},
			Spec:       kubeovnv1.ProviderNetworkSpec{DefaultInterface: "eth1", Attachment: kubeovnv1.AttachmentTakeover, ExchangeLinkName: true},
		})
		n.taken()
	}))
	waits(costs(t, "giving back, excluded", n.exclude))
	n.leave()
	if diff := cmp.Diff(before, belongings(t)); diff != "" {
		t.Errorf("the machine is not as it was (-before +after):\n%s", diff)
	}
}

// TestKubeOVNsTakeover is what Kube-OVN's own steps cost; what they made is kept,
// byte by byte, and given back by us.
func TestKubeOVNsTakeover(t *testing.T) {
	takeoverScene(t, 150)
	if err := os.WriteFile("/run/takeover.sh", []byte(kubeovn.Takeover), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"lan eth1", "lan eth1 exchange"} {
		t.Run(words, func(t *testing.T) {
			costs(t, "taking", func() { sh(t, "/run/takeover.sh take %s", words) })
			before := sh(t, "%s", dumps)
			n := &network{t: t, name: provider}
			n.put(&kubeovnv1.ProviderNetwork{
				ObjectMeta: metav1.ObjectMeta{Name: provider},
				Spec:       kubeovnv1.ProviderNetworkSpec{DefaultInterface: "eth1", ExchangeLinkName: words != "lan eth1"},
			})
			n.taken()
			if diff := cmp.Diff(before, sh(t, "%s", dumps)); diff != "" {
				t.Errorf("what Kube-OVN made was changed:\n%s", diff)
			}
			bears(t, costs(t, "giving back", n.leave))
			await(t, "ip route get %s | grep -q 'dev eth1'", outsideAddress)
		})
	}
}

// dumps tell what a takeover has made.
const dumps = `ip -j address show; ip -j route show table all; ip -j rule
	for table in Bridge Port Interface; do ovs-vsctl --columns=_uuid,name,external_ids list $table; done`

// takeoverScene is a machine with one NIC, eth1, and Keepalived on it, as master if its
// priority is above 100, which is its rival's.
func takeoverScene(t testing.TB, priority int) (own, keeper *service) {
	t.Helper()
	nic := plainNIC(t)
	t.Cleanup(func() { _, _ = try("ip rule del pref 1000; ip route flush table 100") })
	sh(t, `ip rule add pref 1000 iif eth1 lookup 100
		ip route add default via %s dev eth1 table 100
		ip route add 10.9.0.0/16 via %s dev eth1 onlink
		ip -6 address add 2001:db8::1/64 dev eth1 nodad`, outsideAddress, outsideAddress)
	cluster(t)
	controller(t)
	own = agent(t, first)
	rival := neighbour(t, "peer", peer)
	keeper = vrrp(t, "first", here, nic, priority)
	vrrp(t, "peer", rival, "eth0", 100)
	master := "-n peer address show dev eth0"
	if priority > 100 {
		master = "address show dev " + nic
	}
	await(t, "ip %s | grep -q %s", master, virtual)
	return own, keeper
}

// vrrp runs Keepalived, with one virtual address on the device itself.
func vrrp(t testing.TB, name string, at place, device string, priority int) *service {
	t.Helper()
	return vrrpDaemon(t, "vrrp-"+name, at, fmt.Sprintf(`
		global_defs {
		    router_id %[1]s
		}
		vrrp_instance one {
		    state BACKUP
		    interface %[2]s
		    virtual_router_id 60
		    priority %[3]d
		    advert_int 1
		    virtual_ipaddress {
		        %[4]s/24
		    }
		}
		`, name, device, priority, virtual))
}

// cost is what was lost out of the machine and into it while something was done, and
// how often the rival took the virtual address.
type cost struct {
	out, in, virtual netnstest.Loss
	transitions      int
}

func costs(t testing.TB, what string, do func()) cost {
	t.Helper()
	heard := mastered(t)
	const often = 10 * time.Millisecond
	out, in := netnstest.PingFrom(t, "", outsideAddress, often), netnstest.PingFrom(t, outsideNetNS, firstAddress, often)
	shared := netnstest.PingFrom(t, outsideNetNS, virtual, often)
	time.Sleep(3 * time.Second)
	begun := time.Now()
	do()
	took := time.Since(begun)
	time.Sleep(5 * time.Second)
	c := cost{out.End(), in.End(), shared.End(), mastered(t) - heard}
	t.Logf("%s took %v; out: %v; in: %v; virtual: %v; the rival became master %d times", what, took.Round(time.Millisecond), c.out, c.in, c.virtual, c.transitions)
	return c
}

func bears(t testing.TB, c cost) {
	t.Helper()
	for _, loss := range []netnstest.Loss{c.out, c.in, c.virtual} {
		if loss.Lost > bearable {
			t.Errorf("%v", loss)
		}
	}
}

// unnoticed is what the VRRP routers make of it: nothing, on either side.
func unnoticed(t testing.TB, c cost) {
	t.Helper()
	bears(t, c)
	if c.transitions != 0 {
		t.Errorf("the rival became master %d times", c.transitions)
	}
	await(t, "grep 'Entering .* STATE' /out/vrrp-first.log | tail -n 1 | grep -q MASTER")
}

// mastered counts how often the rival became master.
func mastered(t testing.TB) (times int) {
	t.Helper()
	_, _ = fmt.Sscan(sh(t, "grep -c 'Entering MASTER' /out/vrrp-peer.log || true"), &times)
	return times
}

// belongings are what the NIC has, as people see it.
func belongings(t testing.TB) string {
	t.Helper()
	return sh(t, `ip -o address show dev eth1 | sed 's/^[0-9]*: //' | sort
		for family in -4 -6; do ip $family route show table all | grep -w eth1 | sort; ip $family rule show; done
		ip -o link show eth1 | sed 's/^[0-9]*: //; s/ group default//; s/,PROMISC//'
		ovs-vsctl list-br | grep -vx br-int || true`)
}

// taken waits until the node says that its NIC is taken over.
func (n *network) taken() {
	n.t.Helper()
	n.until("is taken over", func(status kubeovnv1.ProviderNetworkNodeStatus) bool {
		return status.Phase == kubeovnv1.PhaseReady && status.Attachment == kubeovnv1.AttachmentTakeover
	})
}
