package takeover

import (
	"testing"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// TestBoot: the database has the bridge still, and the host its addresses on the
// NIC again. The takeover is done once more, as quietly, and can be taken back.
func TestBoot(t *testing.T) {
	everyWay(t, func(t *testing.T, r *rig) {
		before := r.world()
		r.must(r.settle(r.plan))
		taken := r.world()
		r.reboot()
		lost := r.listen()
		r.must(r.settle(r.plan))
		r.isTaken()
		r.same(taken, "after a boot")
		r.must(r.settle(host.Plan{}))
		lost()
		r.same(before, "undone")
	})
}

// TestBootOnTheWayBack: what a boot has taken back already is left as the host's own
// configuration made it.
func TestBootOnTheWayBack(t *testing.T) {
	everyWay(t, func(t *testing.T, r *rig) {
		before := r.world()
		r.must(r.settle(r.plan))
		r.reboot()
		r.must(r.settle(host.Plan{}))
		r.same(before, "taken back after a boot")
	})
}

// reboot is what a boot leaves: nothing in the kernel but what the host's own
// configuration makes, and the database, from which start-ovs.sh has taken the NIC.
func (r *rig) reboot() {
	r.t.Helper()
	r.daemon.Kill()
	r.db.VSCtl("del-port", r.uplink.Bridge, r.uplink.Device())
	nic := r.uplink.Device()
	netnstest.IP(r.t, "link del %s", r.uplink.Bridge) // a tap stays when ovs-vswitchd ends
	if nic != r.uplink.NIC {
		netnstest.IP(r.t, "link set %s name %s", nic, r.uplink.NIC)
	}
	for _, line := range []string{
		"link set eth0 group default promisc off", "address flush dev eth1 scope global",
		"link set eth0 down", "link set eth0 up", "link set eth1 down", "link set eth1 up",
		"-4 rule del pref 1000", "-6 rule del pref 1001", "-4 rule del pref 1002",
	} {
		netnstest.IP(r.t, "%s", line)
	}
	r.configure()
	r.boot = "next boot"
	r.daemon.Start()
}
