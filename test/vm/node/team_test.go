package node

import (
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hawser/test/netnstest"
)

// TestTeam is what the owner of a machine may expect whose only NIC is a team
// that NetworkManager made, with Keepalived on it: the product comes, pods of
// the team's network and of VLAN 100 reach the physical host, programs are
// restarted and killed, and all of it goes again; nobody on the machine notices,
// nor who pings it.
func TestTeam(t *testing.T) {
	for _, runner := range []string{"activebackup", "lacp"} {
		t.Run(runner, func(t *testing.T) { onTeam(t, runner) })
	}
}

func onTeam(t *testing.T, runner string) {
	manager := networkManager(t)
	nic := managedNIC(t, runner)
	cluster(t)
	control, own := controller(t), agent(t, first)
	pair(t, nic)
	restartAlone(t, manager, nic)

	captureAdverts(t)
	o := watch(t, nic)
	told := said(t)
	for _, address := range []string{virtual, virtualVMAC} {
		o.ping(t, outsideNetNS, address)
	}
	lan := share(t, provider, nic)
	o.steady(t, "joined")
	lan.lanSubnets()
	flat, red := lan.pod("flat"), lan.pod("red")
	everybody(t, flat, red)
	o.steady(t, "pods started")

	inPods := []*netnstest.Pings{
		netnstest.PingFrom(t, flat.netns(), outsideAddress, 10*time.Millisecond),
		netnstest.PingFrom(t, red.netns(), taggedAddress, 10*time.Millisecond),
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		own.end(signal)
		own.begin()
		ready(t, first)
		lan.joined()
		o.steady(t, "agent ended by "+signal.String())
		t.Logf("in the pods: %v, %v", inPods[0].Lost(), inPods[1].Lost())
	}
	restart(t, manager, nic)
	o.steady(t, "NetworkManager restarted")
	t.Logf("in the pods: %v, %v", inPods[0].Lost(), inPods[1].Lost())
	restartVSwitch(t)
	everybody(t, flat, red)
	lan.joined()
	o.steady(t, "ovs-vswitchd killed")
	t.Logf("in the pods: %v, %v", inPods[0].End(), inPods[1].End())

	lan.leave()
	o.steady(t, "deleted")
	o.unchanged(t, "deleted")
	share(t, provider, nic)
	uninstall(t, control)
	o.steady(t, "uninstalled")
	o.unchanged(t, "uninstalled")

	o.end(t)
	onlyMaster(t)
	if diff := cmp.Diff(told, said(t)); diff != "" {
		t.Errorf("Keepalived noticed:\n%s", diff)
	}
}

// restart ends NetworkManager as systemd does, which leaves its children alone,
// and waits until the new one has found its device.
func restart(t testing.TB, manager *service, nic string) {
	t.Helper()
	manager.end(syscall.SIGTERM)
	manager.begin()
	await(t, "nmcli -t -f DEVICE,STATE device | grep -qx %s:connected", nic)
}

// restartAlone is the control: what NetworkManager's restart does without us. The
// first after a team was made sets its routes anew, which was seen to cost three
// pings; later ones cost none. It happens before the machine is looked at, so
// that what it changes is in what it was.
func restartAlone(t testing.TB, manager *service, nic string) {
	t.Helper()
	before, pings := teamd(t), pingOutside(t)
	restart(t, manager, nic)
	t.Logf("NetworkManager restarted without us: %v", pings())
	if after := teamd(t); after != before {
		t.Errorf("without us, teamd was process %s and is %s", before, after)
	}
}

// everybody wants both pods to reach the physical host and be reached, and the
// one on the machine's network to reach the machine, at its virtual addresses
// too.
func everybody(t testing.TB, flat, red pod) {
	t.Helper()
	for _, to := range []string{outsideAddress, firstAddress, virtual, virtualVMAC, peer} {
		reaches(t, flat.at(), to)
	}
	reaches(t, red.at(), taggedAddress)
	for _, p := range []pod{flat, red} {
		reaches(t, netns("outside"), p.address)
	}
	reaches(t, here, flat.address)
}
