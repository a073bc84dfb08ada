package netmanager

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
)

// uplinkProfile is a team's as NetworkManager tells of it, with the properties of old
// and a rule of routing. Structures are slices of anything here.
func uplinkProfile() settings {
	return settings{
		"connection": {"id": variant("uplink"), "zone": variant("trusted")},
		"team":       {"config": variant(`{"runner":{"name":"activebackup"}}`), "link-watchers": variant([]properties{})},
		"proxy":      {},
		"ipv4": {
			"method":       variant("manual"),
			"address-data": variant([]properties{{"address": variant("192.0.2.10"), "prefix": variant(uint32(24))}}),
			"addresses":    variant([][]uint32{{1, 24, 2}}), "routes": variant([][]uint32{}), "dns-search": variant([]string{}),
			"gateway":       variant("192.0.2.254"),
			"routing-rules": variant([]properties{{"family": variant(int32(2)), "priority": variant(uint32(5))}}),
		},
		"ipv6": {
			"method":    variant("manual"),
			"addresses": dbus.MakeVariantWithSignature([][]any{{[]byte{1}, uint32(64), []byte{2}}}, dbus.ParseSignatureMust("a(ayuay)")),
			"routes":    dbus.MakeVariantWithSignature([][]any{}, dbus.ParseSignatureMust("a(ayuayu)")),
			"dns":       variant([][]byte{}),
		},
	}
}

// TestQuiet: without addresses all else stays, and what nobody has to change is not
// changed; and the way back needs nothing but the profile.
func TestQuiet(t *testing.T) {
	profile := uplinkProfile()
	quiet := profile.quiet()
	want := uplinkProfile()
	want["ipv4"] = properties{"method": variant("disabled"), "routing-rules": profile["ipv4"]["routing-rules"]}
	want["ipv6"] = properties{"method": variant("ignore")}
	if diff := compare(want, quiet); diff != "" {
		t.Errorf("quiet (-want +have)\n%s", diff)
	}
	if diff := compare(quiet, quiet.quiet()); diff != "" {
		t.Errorf("again (-want +have)\n%s", diff)
	}
	if diff := compare(uplinkProfile(), quiet.addressedAs(profile)); diff != "" {
		t.Errorf("back (-want +have)\n%s", diff)
	}
	profile["ipv6"]["method"] = variant("disabled")
	if have := profile.quiet(); have.method("ipv4") != "disabled" || have.method("ipv6") != "disabled" {
		t.Errorf("%v", have)
	}
}

// TestPlain: what is sent is what can be read again, with no structure in it.
func TestPlain(t *testing.T) {
	sent := uplinkProfile().plain()
	message := &dbus.Message{Type: dbus.TypeMethodCall, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: variant(dbus.ObjectPath("/a")), dbus.FieldMember: variant("Reapply"), dbus.FieldSignature: variant(dbus.SignatureOf(sent, uint64(7), spare)),
	}, Body: []any{sent, uint64(7), spare}}
	var wire bytes.Buffer
	if err := message.EncodeTo(&wire, binary.LittleEndian); err != nil {
		t.Fatal(err)
	}
	read, err := dbus.DecodeMessage(&wire)
	if err != nil {
		t.Fatal(err)
	}
	var got settings
	var version uint64
	var flags uint32
	if err := dbus.Store(read.Body, &got, &version, &flags); err != nil || version != 7 || flags != spare {
		t.Fatalf("%v, %d, %d", err, version, flags)
	}
	if diff := compare(sent, got); diff != "" {
		t.Errorf("(-want +have)\n%s", diff)
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		for _, old := range []string{"addresses", "routes"} {
			if _, left := got[family][old]; left {
				t.Errorf("%s has %s still", family, old)
			}
		}
	}
}

func compare(want, have settings) string {
	return cmp.Diff(want, have, cmp.Comparer(func(a, b dbus.Variant) bool { return a.String() == b.String() }))
}

// TestProfile: what matters of a profile to who takes its addresses away.
func TestProfile(t *testing.T) {
	resolver := func(mode string) map[string]properties {
		return map[string]properties{resolverInterface: {"Mode": variant(mode)}}
	}
	servers := func(domain string) properties {
		return properties{"domains": variant(properties{domain: variant(properties{"servers": variant([]string{"192.0.2.53"})})})}
	}
	manager := func(global properties) map[string]properties {
		return map[string]properties{service: {"VersionInfo": variant([]uint32{0x13400}), "GlobalDnsConfiguration": variant(global)}}
	}
	named := uplinkProfile()
	named["ipv4"]["dns-data"] = variant([]string{"192.0.2.53"})
	connection := active("uplink", "/", "/")[activeInterface]
	plain := host.Profile{Name: "uplink", IPv4: "manual", IPv6: "manual", Probes: true, Zone: "trusted", Spares: true}
	resolves, once := plain, plain
	once.Probes = false
	atOnce := uplinkProfile()
	atOnce["ipv4"]["dad-timeout"] = variant(int32(0))
	resolves.Resolves = true
	for name, c := range map[string]struct {
		all    objects
		stored settings
		want   host.Profile
	}{
		"without names":      {objects{managerPath: manager(nil), resolverPath: resolver("default")}, uplinkProfile(), plain},
		"with names":         {objects{managerPath: manager(nil), resolverPath: resolver("default")}, named, resolves},
		"servers for all":    {objects{managerPath: manager(servers("*")), resolverPath: resolver("default")}, named, plain},
		"servers for a part": {objects{managerPath: manager(servers("example.org")), resolverPath: resolver("dnsmasq")}, named, resolves},
		"names of devices":   {objects{managerPath: manager(servers("*")), resolverPath: resolver("systemd-resolved")}, named, resolves},
		"names of others":    {objects{managerPath: manager(nil), resolverPath: resolver("none")}, named, plain},
		"at once":            {objects{managerPath: manager(nil)}, atOnce, once},
		"who knows":          {objects{managerPath: manager(nil)}, named, resolves},
	} {
		if diff := cmp.Diff(c.want, c.all.profile(connection, c.stored)); diff != "" {
			t.Errorf("%s (-want +have)\n%s", name, diff)
		}
	}
	connection["StateFlags"] = variant(uint32(0x8c))
	if have := (objects{}).profile(connection, nil); !have.Found || have.Spares || have.IPv4 != "" {
		t.Errorf("%+v", have)
	}
}

// TestOn finds what is active on a device that is managed.
func TestOn(t *testing.T) {
	all := objects{
		"/1":                         managed("eth1", 100, "Wired", paths+"ActiveConnection/2"),
		"/2":                         managed("eth2", 10, "Wired", "/"),
		"/3":                         managed("eth3", 30, "Wired", "/"),
		"/4":                         {service + ".Settings": {}},
		paths + "ActiveConnection/2": active("port1", "/", "/"),
	}
	for name, want := range map[string]string{"eth1": "port1", "eth2": "", "eth3": "", "eth4": ""} {
		at, active := all.on(name)
		if got := value[string](active, "Id"); got != want || (at == "/1") != (name == "eth1") {
			t.Errorf("%s: %s, %v", name, at, active)
		}
	}
}

// TestWithoutNetworkManager: nothing is to be told to anybody, and nobody has a
// profile; what is no step of ours is refused.
func TestWithoutNetworkManager(t *testing.T) {
	u := Uplinks{New("/no/bus", "/no/rules")}
	step := host.Step{Action: host.ActionQuiet, Uplink: host.Uplink{NIC: "eth0"}}
	note, err := u.Before(t.Context(), step)
	if note != "" || err != nil || u.Do(t.Context(), step) != nil || u.Undo(t.Context(), step) != nil {
		t.Errorf("%q, %v", note, err)
	}
	if profile, err := u.Profile(t.Context(), "eth0"); profile != (host.Profile{}) || err != nil {
		t.Errorf("%+v, %v", profile, err)
	}
	step.Action = host.ActionBare
	if u.Do(t.Context(), step) == nil || u.Undo(t.Context(), step) == nil {
		t.Error("does what it does not know")
	}
}

func TestWhoIsGone(t *testing.T) {
	for name, gone := range map[string]bool{errorNotActive: true, errorNoService: true, errorNoObject: true, errorOutdated: false} {
		if err := unlessGone(dbus.Error{Name: name}); (err == nil) != gone {
			t.Errorf("%s: %v", name, err)
		}
	}
}
