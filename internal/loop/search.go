package loop

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"hawser/internal/host"
)

// A search sends each probe several times, as one may be lost, and then gives the
// last of them time to cross a network that is busy.
const (
	copies   = 3
	spacing  = 100 * time.Millisecond
	patience = 500 * time.Millisecond
)

// origin is where a probe was sent.
type origin struct {
	nic  string
	vlan int
}

// round is one search.
type round struct {
	stations map[string]*station
	sent     map[nonce]origin
	mute     map[string]string
}

// Search sends probes from each NIC, in each of its VLANs, and tells which NICs
// met: at which of them a probe of another was heard. It takes 0.8 s, and uses the
// network namespace of the calling thread. It fails only when its context ends;
// what stands in the way of a single NIC is among the findings.
func Search(ctx context.Context, nics []host.LoopNIC) (host.LoopFindings, error) {
	r := &round{stations: map[string]*station{}, sent: map[nonce]origin{}, mute: map[string]string{}}
	defer r.close()
	for _, nic := range nics {
		r.join(nic)
	}
	probes := r.compose()
	for range copies {
		r.send(probes)
		if err := wait(ctx, spacing); err != nil {
			return host.LoopFindings{}, err
		}
	}
	if err := wait(ctx, patience); err != nil {
		return host.LoopFindings{}, err
	}
	return host.LoopFindings{Meetings: r.meetings(), Mute: r.mute}, nil
}

func wait(ctx context.Context, while time.Duration) error {
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *round) join(nic host.LoopNIC) {
	s, err := openStation(nic)
	if err != nil {
		r.mute[nic.Name] = err.Error()
		return
	}
	r.stations[nic.Name] = s
}

func (r *round) close() {
	for _, s := range r.stations {
		s.close()
	}
}

// compose makes the frames of each NIC.
func (r *round) compose() map[string][][]byte {
	probes := map[string][][]byte{}
	for name, s := range r.stations {
		for _, vlan := range s.nic.VLANs {
			n := newNonce()
			r.sent[n] = origin{name, vlan}
			for _, to := range destinations {
				probes[name] = append(probes[name], probeFrame(to, s.mac, vlan, n, name))
			}
		}
	}
	return probes
}

// send sends a copy of all. A NIC that takes none of them is mute.
func (r *round) send(probes map[string][][]byte) {
	for name, s := range r.stations {
		for _, frame := range probes[name] {
			if err := s.send(frame); err != nil {
				r.mute[name] = "it sends no probe: " + err.Error()
			}
		}
	}
}

func (r *round) meetings() []host.Meeting {
	found := map[host.Meeting]bool{}
	for name, s := range r.stations {
		for _, n := range s.heard() {
			if from, ours := r.sent[n]; ours && from.nic != name {
				found[meeting(from.nic, name, from.vlan)] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), compare)
}

func meeting(a, b string, vlan int) host.Meeting {
	return host.Meeting{NICs: [2]string{min(a, b), max(a, b)}, VLAN: vlan}
}

func compare(a, b host.Meeting) int {
	return cmp.Or(cmp.Compare(a.NICs[0], b.NICs[0]), cmp.Compare(a.NICs[1], b.NICs[1]), cmp.Compare(a.VLAN, b.VLAN))
}
