package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// look describes a namespace: its links with their MACs, addresses and routes.
func look(t *testing.T, namespace string) string {
	t.Helper()
	var out strings.Builder
	err := withHandle(namespace, func(h *netlink.Handle) error {
		links, err := h.LinkList()
		if err != nil {
			return err
		}
		for _, link := range links {
			fmt.Fprintln(&out, link.Attrs().Index, link.Attrs().Name, link.Attrs().HardwareAddr)
			addresses, err := h.AddrList(link, netlink.FAMILY_ALL)
			if err != nil {
				return err
			}
			for _, address := range addresses {
				if !address.IP.IsLinkLocalUnicast() { // comes when the link has a carrier
					fmt.Fprintln(&out, " ", address.IPNet)
				}
			}
		}
		routes, err := h.RouteList(nil, netlink.FAMILY_ALL)
		for _, route := range routes {
			if route.Gw != nil {
				fmt.Fprintln(&out, route.Dst, route.Gw)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// reach tells whether an address answers: that nobody listens is an answer.
func reach(t *testing.T, namespace, address string) {
	t.Helper()
	err := Do(namespace, func() error {
		connection, err := net.DialTimeout("tcp", net.JoinHostPort(address, "9"), 3*time.Second)
		if err == nil {
			connection.Close()
		}
		return err
	})
	if err != nil && !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%s: %v", address, err)
	}
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
		From: lan, Port: "host", Bridge: "br0", VLAN: Trunk, To: host, Interface: "eth0",
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
		state := look(t, lan) + look(t, host)
		if first == "" {
			first = state
		}
		if state != first {
			t.Errorf("the second time changed\n%s\nto\n%s", first, state)
		}
	}
	for _, address := range []string{"192.0.2.1", "2001:db8::1"} {
		reach(t, host, address)
	}

	if err := Unplug(lan, "host"); err != nil {
		t.Fatal(err)
	}
	if err := Unplug(lan, "host"); err != nil {
		t.Errorf("a cable that is gone: %v", err)
	}
	if links := look(t, host); strings.Contains(links, "eth0") {
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
