package takeover

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/internal/kernel"
	nodeplan "hawser/internal/nodeplan/takeover"
	"hawser/internal/steps"
	"hawser/internal/vswitch"
	"hawser/test/netnstest"
	"hawser/test/ovntest"
)

// The rig is a host in a namespace of its own, with a NIC whose other end is the
// gateway's, and a real Open vSwitch:
//
//	gateway 192.0.2.254 ══ eth0 192.0.2.10        eth1 198.51.100.10 ══ other
//
// The userspace datapath reads the NIC beside the host. A rule of the packet filter
// keeps the host from hearing it, as the agent's does; ARP it still answers.
type rig struct {
	t       *testing.T
	db      *ovntest.Database
	daemon  *ovntest.Daemon
	gateway *netnstest.Namespace
	other   *netnstest.Namespace
	here    string // path of the host's namespace
	uplink  host.Uplink
	plan    host.Plan
	journal string
	boot    string
}

const (
	hostIP, gatewayIP   = "192.0.2.10", "192.0.2.254"
	hostIP6, gatewayIP6 = "2001:db8::10", "2001:db8::254"
	virtualIP           = "192.0.2.100"
)

func newRig(t *testing.T, exchange bool) *rig {
	t.Helper()
	netnstest.Enter(t)
	r := &rig{t: t, journal: t.TempDir(), boot: "this boot", gateway: netnstest.New(t), other: netnstest.New(t)}
	r.here = fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
	r.furnish()
	netnstest.NFT(t)
	r.run("nft", "add table inet deaf; add chain inet deaf in { type filter hook prerouting priority -500; }; add rule inet deaf in iifgroup 158 drop")
	r.db = ovntest.VSwitch(t)
	r.daemon = ovntest.VSwitchd(t, r.db, "")
	r.uplink = host.Uplink{Provider: "lan", NIC: "eth0", Index: r.index("eth0"), Attachment: host.AttachTakeover, Bridge: "br-lan", Userspace: true, Exchange: exchange, MAC: r.mac("eth0")}
	if exchange {
		r.uplink.Bridge = "eth0"
	}
	r.plan = nodeplan.Steps(r.uplink)
	return r
}

// furnish gives the host all that a takeover has to move, and some that it must
// not touch.
func (r *rig) furnish() {
	r.t.Helper()
	r.gateway.Cable("eth0", "far")
	r.other.Cable("eth1", "far")
	for _, line := range []string{"address add " + gatewayIP + "/24 dev far", "address add " + gatewayIP6 + "/64 dev far nodad", "address add 192.0.2.253/24 dev far",
		"address add 203.0.113.1/32 dev lo", "route add 10.9.0.0/16 via " + hostIP} {
		r.gateway.IP("%s", line)
	}
	r.other.IP("address add 198.51.100.254/24 dev far")
	r.configure()
}

// nicAddresses are those of the NIC, as commands of iproute2.
var nicAddresses = []string{
	"address add " + hostIP + "/24 brd + dev eth0",
	"address add " + virtualIP + "/24 dev eth0 label eth0:vip",
	"address add 192.0.2.101/32 dev eth0",
	"address add 172.16.0.1/30 dev eth0 noprefixroute metric 77",
	"address add " + hostIP6 + "/64 dev eth0 nodad",
	"address add 2001:db8::11/128 dev eth0",
}

// configure is what the host's own configuration does at each boot.
func (r *rig) configure() {
	r.t.Helper()
	for _, setting := range []string{"ipv4/conf/eth0/rp_filter=1", "ipv4/conf/eth0/proxy_arp=1", "ipv4/conf/eth0/promote_secondaries=0", "ipv6/conf/eth0/accept_ra=0", "ipv4/neigh/eth0/gc_stale_time=61"} {
		r.sysctl(setting)
	}
	for _, line := range slices.Concat(nicAddresses, []string{
		"address add 198.51.100.10/24 dev eth1",
		"route add default via " + gatewayIP + " dev eth0 metric 100 src " + hostIP,
		"route add default via 198.51.100.254 dev eth1 metric 200",
		"-6 route add default via " + gatewayIP6 + " dev eth0 metric 1024 pref high",
		"route add 10.1.0.0/16 via 192.0.2.253 dev eth0 proto static mtu 1400",
		"route add 10.2.0.0/16 proto static nexthop via " + gatewayIP + " dev eth0 weight 3 nexthop via 198.51.100.254 dev eth1 weight 1",
		"-6 route add 2001:db8:2::/48 nexthop via " + gatewayIP6 + " dev eth0 weight 2 nexthop via 2001:db8::253 dev eth0 weight 1",
		"route add 10.3.0.0/16 via 172.31.255.1 dev eth0 onlink",
		"route add 10.4.0.0/16 dev eth0 scope link table 100",
		"route add default via " + gatewayIP + " dev eth0 table 100",
		"rule add pref 1000 iif eth0 lookup 100",
		"-6 rule add pref 1001 oif eth0 lookup 100",
		"rule add pref 1002 iif eth1 lookup 100",
		"neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent",
		"neigh add proxy 192.0.2.88 dev eth0",
	}) {
		netnstest.IP(r.t, "%s", line)
	}
	r.settled()
}

// settled waits until no address is tentative: they come by themselves.
func (r *rig) settled() {
	r.t.Helper()
	r.await(func() bool { return !strings.Contains(r.run("ip", "address", "show"), "tentative") })
}

func (r *rig) await(so func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("not so after twenty seconds")
		}
	}
}

func (r *rig) run(name string, args ...string) string {
	r.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// batch is what one process of iproute2 says to several commands.
func (r *rig) batch(family string, lines ...string) string {
	r.t.Helper()
	command := exec.Command("ip", family, "-batch", "-")
	command.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := command.CombinedOutput()
	if err != nil {
		r.t.Fatalf("ip: %v: %s", err, out)
	}
	return string(out)
}

func (r *rig) sysctl(setting string) {
	r.t.Helper()
	key, value, _ := strings.Cut(setting, "=")
	r.must(write("net/"+key, value))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) link(name string) device {
	r.t.Helper()
	door, err := openDoor()
	r.must(err)
	defer door.close()
	link, err := door.handle.LinkByName(name)
	r.must(err)
	return deviceOf(link)
}

func (r *rig) index(name string) int { return r.link(name).index }

func (r *rig) mac(name string) (mac host.MAC) {
	r.t.Helper()
	fields := strings.Fields(r.run("ip", "-o", "link", "show", name)) // sysfs is the machine's own
	mac, err := host.ParseMAC(fields[slices.Index(fields, "link/ether")+1])
	r.must(err)
	return mac
}

// world is all that the host has, in a form to be compared: what nobody sees or
// what changes by itself is left out.
func (r *rig) world() string {
	r.t.Helper()
	var out strings.Builder
	out.WriteString("# address\n" + r.run("ip", "-d", "address", "show"))
	for _, family := range []string{"-4", "-6"} {
		out.WriteString("# route\n" + r.run("ip", family, "route", "show", "table", "all") + "# others\n")
		out.WriteString(r.batch(family, "rule show", "neigh show nud permanent", "neigh show proxy"))
	}
	for _, name := range []string{"eth0", "eth1"} {
		found, err := settings(name)
		r.must(err)
		for _, setting := range found {
			out.WriteString(fmt.Sprintf(setting.Key, name) + "=" + setting.Value + "\n")
		}
	}
	return sorted(transient.ReplaceAllString(out.String(), ""))
}

// transient is what says nothing: numbers of devices, counters of promiscuity, of hops' state, the
// taps of the userspace datapath that stays.
var transient = regexp.MustCompile(`promiscuity \d+ |allmulti \d+ |(?m)^.*ovs-netdev.*\n(    .*\n)*|expires \d+sec| numtxqueues.*| group 158| linkdown|(?m)^\d+: `)

// sorted has routes in an order: the kernel's is that of adding.
func sorted(text string) string {
	blocks := strings.Split(text, "# ")
	for i, block := range blocks {
		if lines := strings.Split(block, "\n"); strings.Contains(lines[0], "route") {
			slices.Sort(lines[1:])
			blocks[i] = strings.Join(lines, "\n")
		}
	}
	return strings.Join(blocks, "# ")
}

// agent is a process of ours: the edges, and the runner over the rig's journal.
type agent struct {
	takeover *Client
	links    *kernel.Client
	local    *vswitch.Client
	runner   *steps.Runner
}

func (r *rig) agent(wrap func(steps.Edge) steps.Edge) *agent {
	r.t.Helper()
	a, err := openAgent(r.t.Context(), order{Endpoint: r.db.Endpoint, Journal: r.journal, Boot: r.boot}, wrap)
	r.must(err)
	return a
}

func openAgent(ctx context.Context, o order, wrap func(steps.Edge) steps.Edge) (a *agent, err error) {
	a = &agent{}
	if a.takeover, err = Open(Options{Boot: o.Boot, Patience: 20 * time.Second}); err != nil {
		return nil, err
	}
	if a.links, err = kernel.Open(); err != nil {
		return nil, err
	}
	if a.local, err = vswitch.Dial(ctx, o.Endpoint); err != nil {
		return nil, err
	}
	bridges, nics, mover := wrap(vswitch.Uplinks{Client: a.local}), wrap(kernel.Uplinks{Client: a.links}), wrap(a.takeover)
	a.runner, err = steps.Open(o.Journal, o.Boot, map[host.Action]steps.Edge{
		host.ActionBridge: bridges, host.ActionJoin: bridges, host.ActionMapping: bridges, host.ActionIsolate: nics,
		host.ActionWitness: mover, host.ActionHold: mover, host.ActionRename: mover, host.ActionDress: mover, host.ActionCopy: mover,
		host.ActionSwitch: mover, host.ActionBare: mover, host.ActionRelease: mover, host.ActionConfirm: mover, host.ActionKeep: mover,
		host.ActionQuiet: wrap(keeper{}),
	})
	return a, err
}

func (a *agent) close() {
	a.takeover.Close()
	a.links.Close()
	a.local.Close()
}

// keeper plays NetworkManager, in whose profile all addresses of the NIC are: told to
// leave them it takes them away, and else puts them and their routes there, beside what
// is there already. The real one is in test/vm/node.
type keeper struct{}

func (keeper) Before(context.Context, host.Step) (string, error) { return "", nil }

func (keeper) Do(_ context.Context, step host.Step) error {
	return exec.Command("ip", "address", "flush", "dev", step.Uplink.NIC).Run()
}

func (keeper) Undo(context.Context, host.Step) error {
	for _, line := range append(slices.Clip(nicAddresses),
		"route append 192.0.2.0/24 dev eth0 proto kernel scope link src "+hostIP,
		"route append default via "+gatewayIP+" dev eth0 metric 100 src "+hostIP) {
		out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "exists") && !strings.Contains(string(out), "already assigned") {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return nil
}

func plain(edge steps.Edge) steps.Edge { return edge }

// settle is what an agent does that starts, and ends.
func (r *rig) settle(want host.Plan) error {
	r.t.Helper()
	a := r.agent(plain)
	defer a.close()
	return a.runner.Settle(r.t.Context(), r.uplink.Provider, want)
}

var errNoLuck = errors.New("no luck")
