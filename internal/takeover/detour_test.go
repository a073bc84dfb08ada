package takeover

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// TestDetour: while Open vSwitch drops what the NIC hears, as it does with a port that
// it does not know yet, the host hears it by the bridge. The NIC learns its
// neighbours still, and all is as it was when the detour ends.
func TestDetour(t *testing.T) {
	netnstest.Enter(t)
	r := &rig{t: t, gateway: netnstest.New(t)}
	r.gateway.Cable("eth0", "far")
	for _, line := range []string{
		"address add " + gatewayIP + "/24 dev far", "address add " + gatewayIP6 + "/64 dev far nodad",
	} {
		r.gateway.IP("%s", line)
	}
	for _, line := range []string{
		"tuntap add br-lan mode tap", "link set br-lan address " + r.mac("eth0").String(), "link set br-lan up",
		"address add " + hostIP + "/24 dev eth0", "address add " + hostIP6 + "/64 dev eth0 nodad",
		"address add " + hostIP + "/24 dev br-lan noprefixroute", "address add " + hostIP6 + "/64 dev br-lan nodad noprefixroute",
	} {
		netnstest.IP(t, "%s", line)
	}
	r.uplink = host.Uplink{Provider: "lan", NIC: "eth0", Attachment: host.AttachTakeover, Bridge: "br-lan"}
	door, err := openDoor()
	r.must(err)
	t.Cleanup(door.close)
	d := detours{}
	open := func() { t.Helper(); r.must(d.open(door, r.uplink, r.link("eth0"), r.link("br-lan"))) }
	open()
	open() // once is enough
	reached := func(from, to, address string) bool {
		near, far, err := netnstest.Connect(from, to, address)
		if err == nil {
			err = errors.Join(near.Close(), far.Close())
		}
		return err == nil
	}
	here, there := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), r.gateway.Path()
	for _, address := range []string{gatewayIP, gatewayIP6} { // resolved at the NIC
		if !reached(here, there, address) {
			t.Errorf("%s is not reached", address)
		}
	}
	netnstest.NFT(t)
	r.run("nft", "add table netdev ovs; add chain netdev ovs port { type filter hook ingress device eth0 priority 0; }; add rule netdev ovs port drop")
	for _, address := range []string{hostIP, hostIP6} {
		if !reached(there, here, address) {
			t.Errorf("%s is not reached by the detour", address)
		}
	}
	r.must(d.close("lan"))
	r.must(d.close("lan"))
	left, err := link.QueryPrograms(link.QueryOptions{Target: r.index("eth0"), Attach: ebpf.AttachTCXIngress})
	r.must(err)
	if len(left.Programs) > 0 {
		t.Errorf("there is a detour still: %+v", left.Programs)
	}
}
