package node

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
	"hawser/internal/netmanager"
)

func manager(t testing.TB) *netmanager.Client {
	t.Helper()
	c := netmanager.New(netmanager.DefaultBus, netmanager.DefaultRules)
	t.Cleanup(c.Close)
	return c
}

func devices(t testing.TB, c *netmanager.Client) []host.ManagedDevice {
	t.Helper()
	all, err := c.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func device(t testing.TB, c *netmanager.Client, name string) host.ManagedDevice {
	t.Helper()
	all := devices(t, c)
	i := slices.IndexFunc(all, func(d host.ManagedDevice) bool { return d.Name == name })
	if i < 0 {
		return host.ManagedDevice{}
	}
	return all[i]
}

// awaitDevice looks again at each hint, and at nothing else, until it is so.
func awaitDevice(t testing.TB, c *netmanager.Client, name string, good func(host.ManagedDevice) bool) {
	t.Helper()
	limit := time.After(patience)
	for {
		now := device(t, c, name)
		if good(now) {
			return
		}
		select {
		case <-c.Changed():
		case <-limit:
			t.Fatalf("%s is still %+v and no hint came", name, now)
		}
	}
}

// TestDevicesOfNetworkManager: what it tells of a team, a bond, their ports and a
// VLAN on top, that changes are told, and that it may go and come again.
func TestDevicesOfNetworkManager(t *testing.T) {
	for _, kind := range []string{"activebackup", "lacp", "bond"} {
		t.Run(kind, func(t *testing.T) {
			networkManager(t)
			name := managedNIC(t, kind)
			sh(t, "nmcli connection add type vlan con-name vlan100 ifname %[1]s.100 dev %[1]s id 100 ipv4.method manual ipv4.addresses 192.168.100.9/24 ipv6.method disabled", name)
			c := manager(t)
			awaitDevice(t, c, name+".100", func(d host.ManagedDevice) bool { return d.State == "activated" })
			for _, want := range []host.ManagedDevice{
				{Name: name, Kind: strings.TrimRight(name, "0"), Managed: true, State: "activated", Profile: "uplink"},
				{Name: "eth1", Kind: "veth", Managed: true, State: "activated", Profile: "port1", Controller: name},
				{Name: "eth2", Kind: "veth", Managed: true, State: "activated", Profile: "port2", Controller: name},
				{Name: name + ".100", Kind: "vlan", Managed: true, State: "activated", Profile: "vlan100"},
			} {
				if diff := cmp.Diff(want, device(t, c, want.Name)); diff != "" {
					t.Errorf("(-want +have)\n%s", diff)
				}
			}
			sh(t, "nmcli device disconnect eth2")
			awaitDevice(t, c, "eth2", func(d host.ManagedDevice) bool { return d.State == "disconnected" && d.Controller == "" })
		})
	}
}

// TestNetworkManagerComesAndGoes: absent it is nothing, and its return is told.
func TestNetworkManagerComesAndGoes(t *testing.T) {
	nowhere := netmanager.New("/run/dbus/not-there", "/run/not-there/rules.d")
	if all, err := nowhere.Devices(t.Context()); len(all) != 0 || err != nil {
		t.Errorf("without a bus: %v, %v", all, err)
	}
	if changed, err := nowhere.Keep(t.Context(), "ovn0"); changed || err != nil {
		t.Errorf("without a bus and udev: %v, %v", changed, err)
	}
	udev(t)
	c := manager(t)
	if all := devices(t, c); len(all) != 0 {
		t.Errorf("on a bus without NetworkManager: %v", all)
	}
	process := networkManager(t)
	awaitDevice(t, c, "lo", func(d host.ManagedDevice) bool { return d.Name == "lo" })
	process.end(syscall.SIGKILL)
	awaitDevice(t, c, "lo", func(d host.ManagedDevice) bool { return d.Name == "" })
}

// TestOursStayOurs: NetworkManager lets go of what is ours and never takes it
// again, while the team that it made stays untouched: teamd the same process, the
// device managed, not a ping lost.
func TestOursStayOurs(t *testing.T) {
	networkManager(t)
	name := managedNIC(t, "activebackup")
	openVSwitch(t)
	before, c, pings := teamd(t), manager(t), pingOutside(t)
	state := device(t, c, name)

	// Taken at first, so that it is seen that they are let go.
	early, late := []string{"hwo00000001", "hww00000001"}, []string{"hwo0a1b2c3d", "hww0a1b2c3d", "br-late"}
	t.Cleanup(func() {
		_, _ = try("ovs-vsctl --if-exists del-br br-late; ip link del hwo0a1b2c3d; ip link del hwo00000001")
	})
	sh(t, "ip link add %[1]s type veth peer name %[2]s && ip link set %[1]s up && ip link set %[2]s up", early[0], early[1])
	for _, ours := range early {
		awaitDevice(t, c, ours, func(d host.ManagedDevice) bool { return d.Managed })
	}
	ours := []string{"br-late", "hwo????????", "hww????????"}
	if changed, err := c.Keep(t.Context(), ours...); !changed || err != nil {
		t.Fatalf("keep: %v, %v", changed, err)
	}
	for _, ours := range early {
		awaitDevice(t, c, ours, func(d host.ManagedDevice) bool { return !d.Managed })
	}

	sh(t, `sleep 3.5 # udev looks for new rules no more often than that
		ovs-vsctl add-br br-late
		ip link add %[1]s type veth peer name %[2]s
		for device in %[1]s %[2]s br-late; do ip link set $device up; done
		udevadm settle --timeout=60`, late[0], late[1])
	for _, ours := range late {
		awaitDevice(t, c, ours, func(d host.ManagedDevice) bool { return d.Name != "" && d.State != "unknown" })
		if d := device(t, c, ours); d.Managed {
			t.Errorf("taken although it is ours: %+v", d)
		}
	}
	if changed, err := c.Keep(t.Context(), ours...); changed || err != nil {
		t.Errorf("keep again: %v, %v", changed, err)
	}
	if _, err := c.Keep(t.Context(), name); err == nil {
		t.Errorf("%s is given up although it is not ours", name)
	}

	if after := device(t, c, name); after != state {
		t.Errorf("%+v became %+v", state, after)
	}
	if after := teamd(t); after != before {
		t.Errorf("teamd was process %s and is %s", before, after)
	}
	noLoss(t, pings())
	if changed, err := c.Keep(t.Context()); !changed || err != nil {
		t.Errorf("keep nothing: %v, %v", changed, err)
	}
	sh(t, "test ! -e /run/udev/rules.d/86-hawser.rules")
}
