package cluster

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	dual := Options{Family: "dual", Nodes: 3}
	for machine, want := range map[string]string{
		"cp": "172.30.0.2 fd00:30::2", "n1": "172.30.0.11 fd00:30::11", "n12": "172.30.0.22 fd00:30::22",
		"outside": "198.51.100.2 2001:db8:51::2",
	} {
		if got := strings.Join(dual.plain(machine), " "); got != want {
			t.Errorf("%s: %s, want %s", machine, got, want)
		}
	}
	six := Options{Family: "ipv6", Nodes: 1}
	if got := six.plain("n1"); !slices.Equal(got, []string{"fd00:30::11"}) {
		t.Errorf("IPv6 only: %v", got)
	}
	if got := six.server(); got != "https://[fd00:30::2]:6443" {
		t.Errorf("API server: %s", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Nodes: 3, Masters: 1, Family: "dual", Datapath: "auto", ProxyMode: "iptables"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Options){
		"--nodes":      func(o *Options) { o.Nodes = 0 },
		"--masters":    func(o *Options) { o.Masters = 2 },
		"--ip-family":  func(o *Options) { o.Family = "both" },
		"--datapath":   func(o *Options) { o.Datapath = "" },
		"--proxy-mode": func(o *Options) { o.ProxyMode = "userspace" },
	} {
		bad := good
		change(&bad)
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyTheNumberOfNodesMayGrow(t *testing.T) {
	there := Options{Nodes: 3, Masters: 1, Family: "dual", Datapath: "auto", ProxyMode: "iptables"}
	more, fewer, other := there, there, there
	more.Nodes, fewer.Nodes, other.Family = 4, 2, "ipv4"
	if err := there.fits(more); err != nil {
		t.Error(err)
	}
	if there.fits(fewer) == nil || there.fits(other) == nil {
		t.Error("a change that cannot be made is not refused")
	}
}

func TestCertificates(t *testing.T) {
	c := &Cluster{options: Options{Nodes: 1, Family: "dual"}}
	var err error
	if c.authority, err = openAuthority(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if err := c.certificates(); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c.authority.certificate)
	for file, host := range map[string]string{"apiserver": "10.96.0.1", "n1": "fd00:30::11", "cp": "172.30.0.2"} {
		der, err := readPEM(c.authority.path(file + ".crt"))
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("%s for %s: %v", file, host, err)
		}
	}
	before, err := os.ReadFile(c.authority.path("n1.crt"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := openAuthority(c.authority.dir)
	if err != nil {
		t.Fatal(err)
	}
	c.authority = again
	if err := c.certificates(); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(c.authority.path("n1.crt")); string(after) != string(before) {
		t.Error("a second run issued another certificate")
	}
}

func TestFilesAreFilledIn(t *testing.T) {
	entries, err := files.ReadDir("files")
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range []string{"ipv4", "ipv6", "dual"} {
		for _, entry := range entries {
			content, err := render(entry.Name(), Options{Family: family, ProxyMode: "iptables"}.values("n1"))
			if err != nil {
				t.Errorf("%s: %v", entry.Name(), err)
			}
			if strings.Contains(string(content), "<no value>") {
				t.Errorf("%s has holes:\n%s", filepath.Base(entry.Name()), content)
			}
		}
	}
}

// TestGroup: no directory makes a group of the host's ours to kill.
func TestGroup(t *testing.T) {
	for dir, want := range map[string]string{
		"/var/lib/hawser-sandbox": "hawser-sandbox", "/tmp/system.slice": "hawser-system.slice", "/": "hawser-/",
	} {
		if got := group(dir); string(got) != want {
			t.Errorf("%s: %s, want %s", dir, got, want)
		}
	}
}

func TestStartingPart(t *testing.T) {
	for line, want := range map[string]string{
		"kube-ovn-cni-4rhx5 0/1 Init:0/1 0 5s kube-ovn-cni":                   "kube-ovn-cni",
		"kube-ovn-cni-4rhx5 0/1 Init:ErrImagePull 0 5s kube-ovn-cni":          "kube-ovn-cni (Init:ErrImagePull)",
		"ovn-central-d7-42nkl 1/2 CrashLoopBackOff 3 (5s ago) 1m ovn-central": "ovn-central (CrashLoopBackOff)",
		"ovs-ovn-hhbqh 1/1 Running 0 9s ovs":                                  "",
		"coredns-f58-j2s54 0/1 Pending 0 4m <none>":                           "",
		"": "",
	} {
		if got := startingPart(strings.Fields(line)); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
