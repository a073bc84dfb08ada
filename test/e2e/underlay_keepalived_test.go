package e2e

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Keepalived's virtual addresses: one on the NIC, one on a device of its own
// (use_vmac), a macvlan on the NIC.
const (
	virtual     = "172.30.0.250"
	virtualVMAC = "172.30.0.251"
	keepLog     = "/var/log/hawser/keepalived.log"
)

// keepalived runs the real daemon as a service of a node's host until the test
// ends.
func keepalived(t testing.TB, node string, priority int) {
	t.Helper()
	instance := func(name string, id int, vip, more string) string {
		return fmt.Sprintf("vrrp_instance %s {\n state BACKUP\n interface eth0\n virtual_router_id %d\n priority %d\n advert_int 1\n %s\n virtual_ipaddress {\n %s/32\n }\n}\n", name, id, priority, more, vip)
	}
	config := "global_defs {\n router_id " + node + "\n}\n" + instance("plain", 51, virtual, "") + instance("vmac", 52, virtualVMAC, "use_vmac vrrp52\n vmac_xmit_base")
	inNode(t, node, "sh", "-c", "cat > /etc/keepalived.conf <<'END'\n"+config+"END\n"+
		"setsid keepalived --dont-fork --log-console --use-file /etc/keepalived.conf --pid /run/keepalived.pid --vrrp_pid /run/keepalived-vrrp.pid >"+keepLog+" 2>&1 </dev/null &")
	t.Cleanup(func() {
		inNode(t, node, "sh", "-c", "kill $(cat /run/keepalived.pid); while [ -e /run/keepalived.pid ]; do sleep 0.1; done")
	})
}

// keepalivedSays is a node's log so far.
func keepalivedSays(t testing.TB, node string) string {
	t.Helper()
	return inNode(t, node, "cat", keepLog)
}

// adverts captures VRRP on the wire at a node's port, by the source's address.
type adverts struct {
	command *exec.Cmd
	sources chan map[string]int
}

func captureAdverts(t testing.TB, port string) *adverts {
	t.Helper()
	a := &adverts{
		command: exec.Command(sandbox(), "exec", underlayLAN, "--", "timeout", "600", "tcpdump", "-nli", port, "vrrp"),
		sources: make(chan map[string]int, 1),
	}
	out, err := a.command.StdoutPipe()
	if err == nil {
		err = a.command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		seen := map[string]int{}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if fields := strings.Fields(lines.Text()); len(fields) > 2 && fields[1] == "IP" {
				seen[fields[2]]++
			}
		}
		a.sources <- seen
	}()
	return a
}

// end stops the capture and counts; nobody else captures on a LAN.
func (a *adverts) end(t testing.TB) map[string]int {
	t.Helper()
	inNode(t, underlayLAN, "pkill", "-INT", "-f", "tcpdump -nli .* vrrp")
	_ = a.command.Wait() // timeout passes the signal on as a failure
	return <-a.sources
}

// hostTraffic is pings each 5 ms between the world and two nodes' hosts, and to
// the virtual addresses, beside a TCP stream.
type hostTraffic struct {
	streams map[string]*pings
	tcp     *stream
}

func startHostTraffic(t testing.TB, watcher, watcherAddress string, watched ...string) *hostTraffic {
	t.Helper()
	const every = 5 * time.Millisecond
	far := machineNetns(t, watcher)
	h := &hostTraffic{streams: map[string]*pings{}}
	for _, node := range watched {
		h.streams[watcher+" → "+node] = startPingsEvery(t, far, address(t, node), every)
		h.streams[node+" → "+watcher] = startPingsEvery(t, machineNetns(t, node), watcherAddress, every)
	}
	h.tcp = startStream(t, far, machineNetns(t, watched[0]), address(t, watched[0]))
	return h
}

// also pings one more address from outside.
func (h *hostTraffic) also(t testing.TB, watcher, address string) {
	t.Helper()
	h.streams[watcher+" → "+address] = startPingsEvery(t, machineNetns(t, watcher), address, 5*time.Millisecond)
}

// end stops all and returns what was lost in all, once 1,000 were sent on each way:
// on a busy machine that takes longer than what they were about.
func (h *hostTraffic) end(t testing.TB) (lost int) {
	t.Helper()
	for way, stream := range h.streams {
		eventually(t, time.Minute, way+": 1,000 pings were sent", func() error {
			if sent := stream.sentSoFar(); sent < 1000 {
				return fmt.Errorf("%d were", sent)
			}
			return nil
		})
		seen := stream.end()
		t.Logf("%s: %v", way, seen)
		lost += seen.Lost
	}
	h.tcp.end(t)
	return lost
}

// TestSharedUplinkUnseen: the only NIC of three nodes, with their addresses, the
// API and Keepalived, joins a provider network and leaves it. Nobody notices:
// no ping is lost, Keepalived says nothing on either side, every node stays
// Ready, and each host is in the end as it was.
func TestSharedUplinkUnseen(t *testing.T) {
	workers := nodes(t)
	master, backup := workers[0], workers[1]
	const watcher, watcherAddress = "watcher", "172.30.0.60"
	host(t, watcher, 0, watcherAddress+"/24")
	keepalived(t, master, 150)
	keepalived(t, backup, 100)
	eventually(t, 30*time.Second, master+" is Keepalived's master", func() error {
		if said := keepalivedSays(t, master); strings.Count(said, "Entering MASTER STATE") != 2 {
			return fmt.Errorf("it says\n%s", said)
		}
		return nil
	})
	before, ready := ofHosts(t), readiness(t)
	said := map[string]string{master: keepalivedSays(t, master), backup: keepalivedSays(t, backup)}

	capture := captureAdverts(t, backup)
	traffic := startHostTraffic(t, watcher, watcherAddress, master, backup)
	traffic.also(t, watcher, virtual)
	traffic.also(t, watcher, virtualVMAC)
	time.Sleep(3 * time.Second)
	start := time.Now()
	sharedNIC(t, "only")
	t.Logf("attached on all nodes after %v", time.Since(start).Round(time.Millisecond))
	time.Sleep(5 * time.Second)
	kubectl(t, "delete", "provider-network", "only", "--timeout=90s")
	gone(t, "only")
	time.Sleep(5 * time.Second)

	if lost := traffic.end(t); lost > 0 {
		t.Errorf("%d pings lost", lost)
	}
	for node, old := range said {
		if now := keepalivedSays(t, node); now != old {
			t.Errorf("Keepalived on %s said:\n%s", node, strings.TrimPrefix(now, old))
		}
	}
	sources := capture.end(t)
	t.Logf("VRRP adverts on the wire: %v", sources)
	if len(sources) != 1 || sources[address(t, master)] < 2*10 {
		t.Errorf("adverts by %v, want those of %s alone", sources, master)
	}
	if now := readiness(t); now != ready {
		t.Errorf("nodes' readiness was\n%s\nand is\n%s", ready, now)
	}
	untouched(t, before)

	// The control: a carrier lost for 20 ms is seen as loss.
	traffic = startHostTraffic(t, watcher, watcherAddress, master)
	time.Sleep(3 * time.Second)
	inNode(t, underlayLAN, "sh", "-c", fmt.Sprintf("ip link set %s down; sleep 0.02; ip link set %s up", master, master))
	time.Sleep(3 * time.Second)
	if traffic.end(t) == 0 {
		t.Error("the control: a carrier lost for 20 ms was not seen as loss")
	}
}

// TestUnderlayKeepalivedPods: Keepalived in pods of two nodes gives a virtual
// address of the physical network to one of them, and to the other when the
// first dies.
func TestUnderlayKeepalivedPods(t *testing.T) {
	u := newUnderlayNet(t, "vrrp")
	const vip = "172.30.0.240"
	for i, pod := range u.flat {
		file := "/tmp/keepalived-" + pod.name
		config := fmt.Sprintf("vrrp_instance pods {\n state BACKUP\n interface eth0\n virtual_router_id 60\n priority %d\n advert_int 1\n virtual_ipaddress {\n %s/24\n }\n}\n", 150-i, vip)
		inNode(t, pod.node, "sh", "-c", "cat > "+file+".conf <<'END'\n"+config+"END")
		start := fmt.Sprintf("setsid keepalived --dont-fork --log-console --use-file %s.conf --pid %s.pid --vrrp_pid %s.vrrp >%s.log 2>&1 </dev/null &", file, file, file, file)
		if out, err := inPodNet(t, pod, "sh", "-c", start); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Cleanup(func() { inNode(t, pod.node, "sh", "-c", "[ ! -e "+file+".pid ] || kill $(cat "+file+".pid)") })
	}
	holder := func(pod placed) {
		t.Helper()
		eventually(t, 30*time.Second, pod.name+" answers at "+vip, func() error {
			out, err := run("", "exec", "flathost", "--", "curl", "-sS", "--max-time", "2", "http://"+vip+":8080/hostname")
			if err == nil && out != pod.name {
				err = fmt.Errorf("%s answers", out)
			}
			return err
		})
	}
	holder(u.flat[0])
	inNode(t, u.flat[0].node, "sh", "-c", "kill $(cat /tmp/keepalived-"+u.flat[0].name+".pid); rm -f /tmp/keepalived-"+u.flat[0].name+".pid")
	holder(u.flat[1])
}
