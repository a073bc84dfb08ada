package kernel

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// cabled is a pod whose host end lies beside a neighbour in a bridge; the pod's
// own end has no addresses yet.
func cabled(t *testing.T, addresses ...string) (host.PodLink, *netnstest.Namespace) {
	t.Helper()
	netnstest.Enter(t)
	c, pod, neighbour := openHere(t), netnstest.New(t), netnstest.New(t)
	link := podLink(pod)
	link.Addresses = nil
	for _, address := range addresses {
		link.Addresses = append(link.Addresses, netip.MustParsePrefix(address))
	}
	bare := link
	bare.Addresses, bare.Routes = nil, nil
	attach(t, c, bare)
	neighbour.Cable("near", "eth0")
	netnstest.IP(t, "link add lan type bridge")
	netnstest.IP(t, "link set lan up")
	netnstest.IP(t, "link set near master lan")
	netnstest.IP(t, "link set %s master lan", link.Host)
	neighbour.IP("addr add 192.0.2.1/24 dev eth0")
	neighbour.IP("addr add fd00:2::1/64 dev eth0 nodad")
	return link, neighbour
}

func TestGatewaysAnswer(t *testing.T) {
	link, _ := cabled(t, "192.0.2.9/24", "fd00:2::9/64")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := (Prober{}).Reach(ctx, link, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fd00:2::1")}); err != nil {
		t.Error(err)
	}
	brief, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	for _, nobody := range []string{"192.0.2.77", "fd00:2::77"} {
		if err := (Prober{}).Reach(brief, link, []netip.Addr{netip.MustParseAddr(nobody)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", nobody, err)
		}
	}
}

func TestAddressesThatAreTaken(t *testing.T) {
	link, neighbour := cabled(t, "192.0.2.9/24", "fd00:2::9/64")
	if err := (Prober{}).Claim(t.Context(), link); err != nil {
		t.Errorf("free addresses: %v", err)
	}
	for _, taken := range []string{"192.0.2.9/24", "fd00:2::9/64"} {
		neighbour.IP("addr add %s dev eth0 nodad", taken)
		if err := (Prober{}).Claim(t.Context(), link); !errors.Is(err, ErrTaken) {
			t.Errorf("%s: %v", taken, err)
		}
		neighbour.IP("addr del %s dev eth0", taken)
	}
}

func TestProbesOfAPodThatIsGone(t *testing.T) {
	netnstest.Enter(t)
	link := host.PodLink{NetNS: "/nowhere", Name: "eth0"}
	if (Prober{}).Claim(t.Context(), link) == nil || (Prober{}).Reach(t.Context(), link, nil) == nil {
		t.Error("probed in no namespace")
	}
	link.NetNS = netnstest.New(t).Path()
	if (Prober{}).Claim(t.Context(), link) == nil {
		t.Error("probed without a device")
	}
}
