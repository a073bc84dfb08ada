package loop

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/internal/uplink"
	"hawser/test/lantest"
	"hawser/test/netnstest"
)

// TestSearch: NICs meet when their LANs are joined, and only then; who listens at
// each LAN hears the probes of its own NIC alone.
func TestSearch(t *testing.T) {
	l := newLab(t)
	nics := untagged("nic1", "nic2")
	atA, atB := l.a.Bystander(), l.b.Bystander()
	l.want("two LANs", "", nics...)
	if n := atA.Count(probeOf("nic2")); n != 0 {
		t.Errorf("%d probes crossed from LAN b to a", n)
	}
	if n := atB.Count(probeOf("nic2")); n != copies*len(destinations) {
		t.Errorf("LAN b heard %d probes of its own NIC", n)
	}
	l.a.Connect(l.b)
	l.want("one LAN", "nic1+nic2@0", nics...)
	l.a.Cut()
	l.want("two LANs again", "", nics...)
}

// TestSearchVLANs: the LANs are one for tagged frames of VLAN 100.
func TestSearchVLANs(t *testing.T) {
	l := newLab(t)
	netnstest.NFT(t)
	l.a.Connect(l.b)
	l.a.Filter(`table bridge trunk { chain forward { type filter hook forward priority 0;
		oifname "cable" ether type vlan vlan id 100 accept; oifname "cable" drop; iifname "cable" ether type vlan vlan id 100 accept; iifname "cable" drop; }; }`)
	trunks := []host.LoopNIC{{Name: "nic1", VLANs: []int{0, 100, 200}}, {Name: "nic2", VLANs: []int{0, 100, 200}}}
	l.want("one VLAN", "nic1+nic2@100", trunks...)
	// A NIC whose own VLANs do not include it hears the other all the same.
	l.want("one side", "nic1+nic2@100", host.LoopNIC{Name: "nic1", VLANs: []int{100}}, host.LoopNIC{Name: "nic2"})
	l.want("other VLANs", "", host.LoopNIC{Name: "nic1", VLANs: []int{200}}, host.LoopNIC{Name: "nic2", VLANs: []int{0}})
}

// TestSearchMute: what cannot take part is said, and disturbs nobody.
func TestSearchMute(t *testing.T) {
	l := newLab(t)
	l.a.Connect(l.b)
	l.a.Unplug(l.a.Plug(nil, "nic3"))
	netnstest.IP(t, "link add nic4 type veth peer name unplugged")
	found := l.search(untagged("nic1", "nic2", "nic3", "nic4", "lo", "gone")...)
	if len(found.Meetings) != 1 || len(found.Mute) != 4 {
		t.Errorf("found %q", textOf(found))
	}
	if found.Mute["nic3"] != errNoCarrier.Error() || found.Mute["lo"] != errNotEthernet.Error() {
		t.Errorf("mute: %v", found.Mute)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Search(over, untagged("nic1")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestSearchBridged: NICs that are ports of a bridge of the host are heard before
// that has them. Open vSwitch's datapath in the kernel sits at the same place.
func TestSearchBridged(t *testing.T) {
	l := newLab(t)
	for _, nic := range []string{"1", "2"} {
		netnstest.IP(t, "link add br%s type bridge", nic)
		netnstest.IP(t, "link set br%s addrgenmode none up", nic)
		netnstest.IP(t, "link set nic%s master br%s", nic, nic)
	}
	l.want("two LANs", "", untagged("nic1", "nic2")...)
	l.a.Connect(l.b)
	l.want("one LAN", "nic1+nic2@0", untagged("nic1", "nic2")...)
}

// TestSearchPorts: as ports of Open vSwitch. No probe reaches a pod, nor the other
// LAN by way of any bridge, not even of a node whose uplinks nobody protected.
func TestSearchPorts(t *testing.T) {
	l := newLab(t)
	here := lantest.NewNode(t, nil)
	at := lantest.Listen(t, here.Pod("pod", ""), "eth0")
	here.Add("nic1", "nic2", "pod")
	here.Protect("nic1", "nic2")
	careless := lantest.NewNode(t, netnstest.New(t))
	l.a.Plug(careless.NS, "up1")
	l.b.Plug(careless.NS, "up2")
	careless.Add("up1", "up2")
	l.want("two LANs", "", untagged("nic1", "nic2")...)
	careless.DB.VSCtl("del-port", "up2") // or there would be a storm
	careless.Daemon.Sync()
	l.a.Connect(l.b)
	l.want("one LAN", "nic1+nic2@0", untagged("nic1", "nic2")...)
	l.want("one VLAN", "nic1+nic2@7", host.LoopNIC{Name: "nic1", VLANs: []int{7}}, host.LoopNIC{Name: "nic2", VLANs: []int{7}})
	if n := at.Count(probeOf("")); n != 0 {
		t.Errorf("a pod heard %d probes", n)
	}
}

// TestControlOfPorts: what is no probe passes all the bridges of TestSearchPorts.
func TestControlOfPorts(t *testing.T) {
	l := newLab(t)
	here := lantest.NewNode(t, nil)
	at := lantest.Listen(t, here.Pod("pod", ""), "eth0")
	here.Add("nic1", "nic2", "pod")
	group := host.MAC{0x33, 0, 0, 0, 0, 9}
	frame := probeFrame(group, host.MAC{2, 0xaa, 0, 0, 0, 9}, 0, newNonce(), "control")
	atB, sender := l.b.Bystander(), l.a.Bystander()
	pod, other := 0, 0
	for range 100 {
		sender.Send(frame)
		if err := wait(t.Context(), spacing); err != nil {
			t.Fatal(err)
		}
		pod, other = pod+at.Count(probeOf("control")), other+atB.Count(probeOf("control"))
		if pod > 0 && other > 0 {
			return
		}
	}
	t.Errorf("bridges forward nothing: %d to the pod, %d to LAN b", pod, other)
}

// TestSearchShared: as shared uplinks, with the mark of their programs and without a
// word to Open vSwitch.
func TestSearchShared(t *testing.T) {
	for name, options := range map[string]uplink.Options{"tcx": {}, "clsact": {Legacy: true}} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			here := lantest.NewNode(t, nil)
			pod := lantest.Listen(t, here.Pod("pod", ""), "eth0")
			taps := share(t, options, "nic1", "nic2")
			here.Add(append(taps, "pod")...)
			here.Protect(taps...)
			tap := lantest.Listen(t, nil, taps[0])
			shared := []host.LoopNIC{{Name: "nic1", VLANs: []int{0, 5}, Mark: host.UplinkMark}, {Name: "nic2", VLANs: []int{0, 5}, Mark: host.UplinkMark}}
			l.want("two LANs", "", shared...)
			if n := tap.Count(probeOf("")); n != 0 {
				t.Errorf("Open vSwitch got %d probes that the node sent", n)
			}
			l.a.Connect(l.b)
			l.want("one LAN", "nic1+nic2@0 nic1+nic2@5", shared...)
			if n := pod.Count(probeOf("")); n != 0 {
				t.Errorf("a pod heard %d probes", n)
			}
		})
	}
}

// share attaches NICs, and names their ends in the bridge.
func share(t *testing.T, options uplink.Options, nics ...string) (taps []string) {
	t.Helper()
	options.Pins = bpffs(t) + "/hawser"
	client, err := uplink.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for _, nic := range nics {
		tap, end := host.TapNames("lan", nic)
		taps = append(taps, tap)
		up := host.Uplink{Provider: "lan", NIC: nic, Attachment: host.AttachShared, Bridge: "br-lan", Tap: tap, Wire: end, MTU: 1500, Mark: host.UplinkMark}
		for _, action := range []host.Action{host.ActionPair, host.ActionLoad, host.ActionFilter, host.ActionPromisc} {
			if err := client.Do(t.Context(), host.Step{Action: action, Uplink: up}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return taps
}

func bpffs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatalf("THIS MACHINE MOUNTS NO BPF FILESYSTEM, so that a search on shared uplinks is not tested: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestReadProbe(t *testing.T) {
	n := newNonce()
	for _, vlan := range []int{0, 1, 4095} {
		frame := probeFrame(destinations[0], host.MAC{2}, vlan, n, "eth0")
		if got, ok := readProbe(frame); !ok || got != n {
			t.Errorf("VLAN %d: %v %v", vlan, got, ok)
		}
		for cut := range len(frame) - len("eth0") {
			if _, ok := readProbe(frame[:cut]); ok {
				t.Fatalf("VLAN %d: read a probe of %d bytes", vlan, cut)
			}
		}
	}
}
