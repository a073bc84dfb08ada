package traffic

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hawser/test/netnstest"
)

// TestPath measures a cable, and says where there is none.
func TestPath(t *testing.T) {
	netnstest.Enter(t)
	neighbour := netnstest.New(t)
	neighbour.Cable("near", "far")
	netnstest.IP(t, "address add 192.0.2.1/24 dev near")
	neighbour.IP("address add 192.0.2.2/24 dev far")
	here := End{fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), "192.0.2.1"}
	path := Path{From: here, To: End{neighbour.Path(), "192.0.2.2"}}
	const lasting = 50 * time.Millisecond
	for name, measure := range map[string]func(Path) (float64, error){"throughput": Gigabits(lasting), "round trip": Microseconds(lasting)} {
		for _, way := range []Path{path, path.Back()} {
			value, err := measure(way)
			if err != nil || value <= 0 {
				t.Errorf("%s of %v is %v (%v)", name, way, value, err)
			}
		}
		if _, err := measure(Path{From: path.To, To: End{here.NetNS, "192.0.2.2"}}); err == nil {
			t.Errorf("%s of an address that is not there", name)
		}
	}
}

func TestByTurns(t *testing.T) {
	first, second, order := Path{To: End{Address: "first"}}, Path{To: End{Address: "second"}}, ""
	c, err := ByTurns(3, first, second, func(p Path) (float64, error) {
		order += p.To.Address[:1]
		return map[string]float64{"first": 2, "second": 3}[p.To.Address] * float64(len(order)+1), nil
	})
	if err != nil || order != "fssffs" {
		t.Errorf("measured %s (%v)", order, err)
	}
	// By turns (2×2, 3×3), (2×5, 3×4) and (2×6, 3×7).
	if got := c.Ratio(); got != 1.75 {
		t.Errorf("%v: ratio %v", c, got)
	}
}
