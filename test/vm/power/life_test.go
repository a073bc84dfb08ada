package power

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
	"hawser/internal/kernel"
	"hawser/internal/nodeplan/takeover"
	"hawser/internal/steps"
	mover "hawser/internal/takeover"
	"hawser/internal/vswitch"
)

const (
	// lifeVariable has the test binary be a host, in the virtual machine.
	lifeVariable = "HAWSER_TEST_LIFE"
	// powerOff asks for the power to be cut, and says at what.
	powerOff    = "power off at: "
	nothingLeft = "nothing left to do"

	provider = "lan"
	gateway  = "192.168.50.254"
	address  = "192.168.50.1"
)

// life is what a host does from the power's coming to its going.
type life struct {
	Back  bool // the NIC is given back, else taken over
	Place int  // the step, counted from 1, that is in the journal when the power goes
}

// live ends by a cut only, or by what is wrong.
func (l life) live() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	before, err := boot()
	if err != nil {
		return err
	}
	wanted, err := plan(ctx)
	if err != nil {
		return err
	}
	if err := recovered(ctx, wanted, before); err != nil {
		return fmt.Errorf("after the boot: %w", err)
	}
	from, to := host.Plan{}, wanted
	if l.Back {
		from, to = to, from
	}
	if err := settle(ctx, from, before, nil); err != nil {
		return fmt.Errorf("to begin with: %w", err)
	}
	if err := settle(ctx, to, before, &l.Place); err != nil {
		return fmt.Errorf("at last: %w", err)
	}
	cut(nothingLeft)
	return nil
}

// boot is what a host's own configuration and Open vSwitch do; nothing of ours has
// run. It gives what the host has.
func boot() (before string, err error) {
	_, err = sh(`modprobe -a veth openvswitch
		mkdir -p /state/openvswitch /etc/openvswitch
		mount --bind /state/openvswitch /etc/openvswitch
		ip netns add outside
		ip link add eth1 address 02:00:00:00:50:01 type veth peer name far1 netns outside
		ip -n outside address add GATEWAY/24 dev far1
		ip -n outside -6 address add 2001:db8::254/64 dev far1 nodad
		ip -n outside link set far1 up
		ip link set eth1 up
		ip address add ADDRESS/24 brd + dev eth1
		ip address add 192.168.50.100/24 dev eth1 label eth1:vip
		ip -6 address add 2001:db8::1/64 dev eth1 nodad
		ip route add default via GATEWAY
		ip route add default via GATEWAY dev eth1 table 100
		ip rule add pref 1000 iif eth1 lookup 100`)
	if err != nil {
		return "", err
	}
	if err := await(`[ -z "$(ip address show dev eth1 tentative)" ]`); err != nil {
		return "", err
	}
	if before, err = world(); err != nil {
		return "", err
	}
	command := exec.Command("bash", "/in/start-ovs.sh")
	command.Env = append(os.Environ(), "OVN_DB_IPS="+gateway, "KUBE_NODE_NAME=first", "OVS_DATAPATH=kernel")
	log, err := os.OpenFile("/state/ovs.log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return "", err
	}
	return before, errors.Join(await("ovs-appctl dpif/show"), connected())
}

// plan is what the agent would make of the host.
func plan(ctx context.Context) (host.Plan, error) {
	links, err := kernel.Open()
	if err != nil {
		return host.Plan{}, err
	}
	defer links.Close()
	snapshot, err := links.Snapshot(ctx)
	if err != nil {
		return host.Plan{}, err
	}
	nic, found := snapshot.Link("eth1")
	if !found {
		return host.Plan{}, errors.New("the host has no eth1")
	}
	return takeover.Steps(host.Uplink{
		Provider: provider, NIC: nic.Name, Index: nic.Index, MAC: nic.MAC, Attachment: host.AttachTakeover, Bridge: nic.Name, Exchange: true,
	}), nil
}

// recovered is what an agent does when it starts: what the journal says is brought to
// its end.
func recovered(ctx context.Context, wanted host.Plan, before string) error {
	runner, done, err := open(ctx, nil)
	if err != nil {
		return err
	}
	defer done()
	entries, err := runner.Entries()
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if len(entry.Plan.Steps) == 0 {
			wanted = host.Plan{}
		}
		if err := settle(ctx, wanted, before, nil); err != nil {
			return err
		}
	}
	return nil
}

// settle brings a plan about, up to a place if one is given, and looks whether it is
// so. Before is what the host has without it.
func settle(ctx context.Context, want host.Plan, before string, place *int) error {
	runner, done, err := open(ctx, place)
	if err != nil {
		return err
	}
	defer done()
	if err := errors.Join(runner.Settle(ctx, provider, want), connected()); err != nil {
		return err
	}
	if len(want.Steps) > 0 {
		taken, err := sh("ip address show dev " + want.Steps[0].Uplink.Bridge)
		if err == nil && !strings.Contains(taken, address+"/24") {
			err = fmt.Errorf("%s is not on the bridge: %s", address, taken)
		}
		return err
	}
	after, err := world()
	if diff := cmp.Diff(before, after); diff != "" {
		return errors.Join(err, fmt.Errorf("the host is not as it was (-before +after):\n%s", diff))
	}
	return err
}

// open makes an agent's runner, with the journal on the disk that outlives the power.
func open(ctx context.Context, place *int) (_ *steps.Runner, done func(), err error) {
	links, err := kernel.Open()
	if err != nil {
		return nil, nil, err
	}
	local, err := vswitch.Dial(ctx, vswitch.DefaultEndpoint)
	if err != nil {
		return nil, nil, err
	}
	id, err := sh("cat /proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, nil, err
	}
	moves, err := mover.Open(mover.Options{Boot: id})
	if err != nil {
		return nil, nil, err
	}
	bridges, move := mortal{vswitch.Uplinks{Client: local}, place}, mortal{moves, place}
	runner, err := steps.Open("/state/journal", id, map[host.Action]steps.Edge{
		host.ActionBridge: bridges, host.ActionJoin: bridges, host.ActionMapping: bridges,
		host.ActionWitness: move, host.ActionHold: move, host.ActionRename: move, host.ActionDress: move, host.ActionCopy: move,
		host.ActionSwitch: move, host.ActionBare: move, host.ActionRelease: move, host.ActionConfirm: move,
	})
	return runner, func() { moves.Close(); local.Close(); links.Close() }, err
}

// mortal is an edge at one of whose steps the power is cut: the journal has it, and
// nothing of it is done.
type mortal struct {
	steps.Edge
	left *int
}

func (m mortal) live(step host.Step) {
	if m.left == nil {
		return
	}
	if *m.left--; *m.left == 0 {
		cut(step.Text())
	}
}

// Do is that of the edge.
func (m mortal) Do(ctx context.Context, step host.Step) error {
	m.live(step)
	return m.Edge.Do(ctx, step)
}

// Undo is that of the edge.
func (m mortal) Undo(ctx context.Context, step host.Step) error {
	m.live(step)
	return m.Edge.Undo(ctx, step)
}

// cut asks for the power to be cut, and waits for it.
func cut(at string) {
	fmt.Println(powerOff + at)
	time.Sleep(patience)
}

// connected tells whether the host reaches its gateway, and the gateway the host.
func connected() error {
	return errors.Join(await("ping -q -c 3 -i 0.2 -W 1 GATEWAY"), await("ip netns exec outside ping -q -c 3 -i 0.2 -W 1 ADDRESS"))
}

// world is what the host has, as people see it.
func world() (string, error) {
	return sh(`ip -o address show dev eth1 | sed 's/^[0-9]*: //' | sort
		for family in -4 -6; do ip $family route show table all | grep -w eth1 | sort; ip $family rule show; done
		ip -o link show eth1 | sed 's/^[0-9]*: //; s/ group default//; s/,PROMISC//'`)
}

// await runs a shell's commands until they succeed.
func await(script string) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, err := sh(script)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// sh runs a shell's commands and gives what they print.
func sh(script string) (string, error) {
	script = strings.NewReplacer("GATEWAY", gateway, "ADDRESS", address).Replace(script)
	out, err := exec.Command("bash", "-euo", "pipefail", "-c", script).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s\n%w\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
