package netmanager

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
)

// How the real NetworkManager answers is tested in test/vm/node; here is what
// does not need it.

const paths = "/org/freedesktop/NetworkManager/"

type properties = map[string]dbus.Variant

func variant(value any) dbus.Variant { return dbus.MakeVariant(value) }

func managed(name string, state uint32, kind, active string) map[string]properties {
	return map[string]properties{
		deviceInterface:                 {"Interface": variant(name), "State": variant(state), "ActiveConnection": variant(dbus.ObjectPath(active))},
		deviceInterface + ".Statistics": {"RefreshRateMs": variant(uint32(0))},
		deviceInterface + "." + kind:    {"HwAddress": variant("0a:00:00:00:00:01")},
	}
}

func active(id, controller, master string) map[string]properties {
	out := properties{"Id": variant(id)}
	for name, path := range map[string]string{"Controller": controller, "Master": master} {
		if path != "" {
			out[name] = variant(dbus.ObjectPath(path))
		}
	}
	return map[string]properties{activeInterface: out}
}

func TestDevices(t *testing.T) {
	both := managed("hwo0a1b2c3d", 10, "Veth", "/")
	both[deviceInterface+".Wired"] = properties{}
	all := objects{
		paths + "Devices/1":          managed("team0", 100, "Team", paths+"ActiveConnection/1"),
		paths + "Devices/2":          managed("eth1", 100, "Wired", paths+"ActiveConnection/2"),
		paths + "Devices/3":          managed("eth2", 100, "Wired", paths+"ActiveConnection/3"), // as before version 1.44
		paths + "Devices/4":          managed("br-lan", 10, "Generic", "/"),
		paths + "Devices/5":          managed("eth3", 7, "Unheard", "/"),
		paths + "ActiveConnection/1": active("uplink", "/", "/"),
		paths + "ActiveConnection/2": active("port1", paths+"Devices/1", "/"),
		paths + "ActiveConnection/3": active("port2", "", paths+"Devices/1"),
		paths + "Devices/6":          both,
		paths + "Settings":           {service + ".Settings": {}},
	}
	want := []host.ManagedDevice{
		{Name: "br-lan", Kind: "generic", State: "unmanaged"},
		{Name: "eth1", Kind: "ethernet", Managed: true, State: "activated", Profile: "port1", Controller: "team0"},
		{Name: "eth2", Kind: "ethernet", Managed: true, State: "activated", Profile: "port2", Controller: "team0"},
		{Name: "eth3", Kind: "unheard", State: "unknown"},
		{Name: "hwo0a1b2c3d", Kind: "veth", State: "unmanaged"},
		{Name: "team0", Kind: "team", Managed: true, State: "activated", Profile: "uplink"},
	}
	if diff := cmp.Diff(want, all.devices()); diff != "" {
		t.Errorf("(-want +have)\n%s", diff)
	}
}

func TestWhichSignalsMatter(t *testing.T) {
	changed := func(of, property string) *dbus.Signal {
		return &dbus.Signal{Name: "org.freedesktop.DBus.Properties.PropertiesChanged", Body: []any{of, properties{property: variant(uint32(1))}, []string{}}}
	}
	for _, c := range []struct {
		signal *dbus.Signal
		want   bool
	}{
		{changed(deviceInterface, "State"), true},
		{changed(deviceInterface, "ActiveConnection"), true},
		{changed(deviceInterface, "Mtu"), false},
		{changed(deviceInterface+".Statistics", "TxBytes"), false},
		{changed(service+".IP4Config", "AddressData"), false},
		{&dbus.Signal{Name: "org.freedesktop.DBus.Properties.PropertiesChanged"}, false},
		{&dbus.Signal{Name: "org.freedesktop.DBus.ObjectManager.InterfacesAdded"}, true},
		{&dbus.Signal{Name: "org.freedesktop.DBus.NameOwnerChanged"}, true},
	} {
		if have := matters(c.signal); have != c.want {
			t.Errorf("%s %v matters: %v", c.signal.Name, c.signal.Body, have)
		}
	}
}

// TestRule: written once, the same for any order, and gone with the last device.
func TestRule(t *testing.T) {
	udev := t.TempDir()
	c := New(filepath.Join(udev, "no-bus"), filepath.Join(udev, "rules.d"))
	keep := func(want bool, devices ...string) {
		t.Helper()
		if changed, err := c.Keep(t.Context(), devices...); changed != want || err != nil {
			t.Errorf("keep %v: %v, %v", devices, changed, err)
		}
	}
	keep(false)
	keep(true, "hww0a1b2c3d", "br-lan", "hwo0a1b2c3d", "br-lan")
	keep(false, "br-lan", "hwo0a1b2c3d", "hww0a1b2c3d")
	text, err := os.ReadFile(filepath.Join(udev, "rules.d", ruleFile))
	if err != nil {
		t.Fatal(err)
	}
	want := "# Written by Hawser's node agent: the devices of the pod network are its own.\n" +
		"SUBSYSTEM==\"net\", ENV{ID_NET_DRIVER}==\"veth|openvswitch|tun|macvlan\", KERNEL==\"br-lan|hwo0a1b2c3d|hww0a1b2c3d\", ENV{NM_UNMANAGED}=\"1\"\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +have)\n%s", diff)
	}
	keep(true)
	keep(false)
	if left, err := os.ReadDir(filepath.Join(udev, "rules.d")); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// TestTaken: only what we make is taken back, and nothing at all where a name is
// that of somebody else's device.
func TestTaken(t *testing.T) {
	all := objects{
		"/1": managed("hwo0a1b2c3d", 30, "Veth", "/"),
		"/2": managed("hww0a1b2c3d", 10, "Veth", "/"),
		"/3": managed("br-lan", 100, "Bridge", "/"),
		"/4": {service + ".Settings": {}},
	}
	if taken, err := all.taken([]string{"hwo*", "hww*"}); err != nil || !slices.Equal(taken, []dbus.ObjectPath{"/1"}) {
		t.Errorf("%v, %v", taken, err)
	}
	if taken, err := all.taken([]string{"hwo*", "br-lan"}); err == nil {
		t.Errorf("a bridge of NetworkManager's own is given up: %v", taken)
	}
	if taken, err := all.taken(nil); len(taken) != 0 || err != nil {
		t.Errorf("%v, %v", taken, err)
	}
}

// TestDeadBus: the socket of a bus that has ended is no bus.
func TestDeadBus(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "bus")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	if all, err := New(socket, t.TempDir()).Devices(t.Context()); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

func TestWithoutUdev(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "udev", "rules.d")
	if changed, err := New("/no/bus", nowhere).Keep(t.Context(), "br-lan"); changed || err != nil {
		t.Errorf("%v, %v", changed, err)
	}
	if _, err := os.Stat(nowhere); err == nil {
		t.Error("a machine without udev was given its folder")
	}
}
