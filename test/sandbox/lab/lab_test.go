package lab

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// in runs a program in a namespace and returns what it printed.
func in(t *testing.T, namespace string, args ...string) string {
	t.Helper()
	var out []byte
	err := Do(namespace, func() error {
		var err error
		out, err = exec.Command(args[0], args[1:]...).CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestLab lays a small network twice over: the second time nothing changes.
// Then a cable goes, and then all.
func TestLab(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	lan, host := filepath.Join(t.TempDir(), "lan"), filepath.Join(t.TempDir(), "host")
	cable := Cable{
		From: lan, Port: "host", Bridge: "br0", To: host, Interface: "eth0",
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24"), netip.MustParsePrefix("2001:db8::2/64")},
		Gateways:  []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
	}
	gateways := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}
	var first string
	for range 2 {
		for _, namespace := range []string{lan, host} {
			if err := EnsureNamespace(namespace); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = RemoveNamespace(namespace) })
		}
		if err := EnsureBridge(lan, "br0", gateways); err != nil {
			t.Fatal(err)
		}
		if err := Connect(cable); err != nil {
			t.Fatal(err)
		}
		state := in(t, host, "ip", "-o", "link") + in(t, host, "ip", "route") + in(t, host, "ip", "-6", "route", "show", "default")
		if first == "" {
			first = state
		}
		if state != first {
			t.Errorf("the second time changed\n%s\nto\n%s", first, state)
		}
	}
	for _, address := range []string{"192.0.2.1", "2001:db8::1"} {
		in(t, host, "ping", "-c", "1", "-W", "2", address)
	}

	if err := Unplug(lan, "host"); err != nil {
		t.Fatal(err)
	}
	if err := Unplug(lan, "host"); err != nil {
		t.Errorf("a cable that is gone: %v", err)
	}
	if links := in(t, host, "ip", "-o", "link"); strings.Contains(links, "eth0") {
		t.Errorf("the far end is left: %s", links)
	}
	for range 2 {
		if err := RemoveNamespace(host); err != nil {
			t.Fatal(err)
		}
	}
	if IsNamespace(host) || Do(host, func() error { return nil }) == nil {
		t.Error("the namespace is left")
	}
	if now, _ := os.Readlink("/proc/self/ns/net"); now != own {
		t.Errorf("we ended in another namespace: %s, not %s", now, own)
	}
}

func TestStableMAC(t *testing.T) {
	a, b := stableMAC("n1/eth0"), stableMAC("n2/eth0")
	if a.String() == b.String() || a.String() != stableMAC("n1/eth0").String() || a[0] != 2 || len(a) != 6 {
		t.Errorf("MACs %s, %s", a, b)
	}
}
