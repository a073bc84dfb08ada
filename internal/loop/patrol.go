package loop

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"hawser/internal/host"
)

// Every is how often a patrol searches when nothing happens: somebody may cable
// two networks together without a NIC of ours noticing.
const Every = 30 * time.Second

// silence is how many searches in turn have to find nothing of a meeting before
// it counts as gone: frames get lost, and a switch that comes up forwards late.
const silence = 3

// Patrol searches for loops among some NICs: when they are named, when the carrier
// of one of them changes, and every 30 s. What it finds counts at once; that it is
// gone counts after three searches in which both NICs took part. It keeps all that
// in memory: after a restart the first search tells.
type Patrol struct {
	every time.Duration
	asked chan struct{}
	hints chan struct{}

	mu      sync.Mutex
	nics    []host.LoopNIC
	current bool // the findings are about these NICs
	silent  map[host.Meeting]int
	mute    map[string]string
}

// NewPatrol makes one that watches nothing yet.
func NewPatrol() *Patrol {
	return &Patrol{every: Every, asked: make(chan struct{}, 1), hints: make(chan struct{}, 1), silent: map[host.Meeting]int{}}
}

// Watch replaces the NICs, and has them searched at once if they are others than
// before. Of NICs that stay, what was found stays.
func (p *Patrol) Watch(nics []host.LoopNIC) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if reflect.DeepEqual(nics, p.nics) {
		return
	}
	p.nics, p.current = slices.Clone(nics), false
	names := namesOf(nics)
	maps.DeleteFunc(p.silent, func(m host.Meeting, _ int) bool { return !names[m.NICs[0]] || !names[m.NICs[1]] })
	maps.DeleteFunc(p.mute, func(name, _ string) bool { return !names[name] })
	hint(p.asked)
}

// Findings tells what was found last; it is not current until the NICs that were
// named last have been searched.
func (p *Patrol) Findings() (found host.LoopFindings, current bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.findings(), p.current
}

func (p *Patrol) findings() host.LoopFindings {
	return host.LoopFindings{Meetings: slices.SortedFunc(maps.Keys(p.silent), compare), Mute: maps.Clone(p.mute)}
}

// Changed gives one hint for any number of changes of the findings.
func (p *Patrol) Changed() <-chan struct{} { return p.hints }

// Run goes on patrol until the context ends, in the network namespace of the
// calling thread.
func (p *Patrol) Run(ctx context.Context) error {
	carrier, err := watchCarrier()
	if err != nil {
		return fmt.Errorf("subscribe to the carrier of NICs: %w", err)
	}
	defer carrier.close()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		nics := p.answer()
		carrier.watch(namesOf(nics))
		if err := p.search(ctx, nics); err != nil {
			return nil // the context is over
		}
		tick.Reset(p.every)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-carrier.hints:
		case <-p.asked:
		}
	}
}

// answer takes what was asked for.
func (p *Patrol) answer() []host.LoopNIC {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.asked:
	default:
	}
	return p.nics
}

// search takes no time for a NIC alone, which can meet nobody.
func (p *Patrol) search(ctx context.Context, nics []host.LoopNIC) error {
	var found host.LoopFindings
	if len(nics) > 1 {
		var err error
		if found, err = Search(ctx, nics); err != nil {
			return err
		}
	}
	p.book(nics, found)
	return nil
}

// book merges what a search found into what is known. Findings about NICs that
// were replaced meanwhile are worth nothing: a search of the new ones comes.
func (p *Patrol) book(nics []host.LoopNIC, found host.LoopFindings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !reflect.DeepEqual(nics, p.nics) {
		return
	}
	before, known := p.findings(), p.current
	for m := range p.silent {
		if found.Mute[m.NICs[0]] == "" && found.Mute[m.NICs[1]] == "" {
			p.silent[m]++
		}
	}
	for _, m := range found.Meetings {
		p.silent[m] = 0
	}
	maps.DeleteFunc(p.silent, func(_ host.Meeting, rounds int) bool { return rounds >= silence })
	p.mute, p.current = found.Mute, true
	if !known || !reflect.DeepEqual(before, p.findings()) {
		hint(p.hints)
	}
}

func namesOf(nics []host.LoopNIC) map[string]bool {
	names := map[string]bool{}
	for _, nic := range nics {
		names[nic.Name] = true
	}
	return names
}
