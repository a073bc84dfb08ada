package delta

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func same(a, b string) bool { return a == b }

func TestDiff(t *testing.T) {
	type set = map[string]string
	for name, c := range map[string]struct {
		have, want set
		exp        Delta[string]
	}{
		"nothing on both sides":  {nil, nil, Delta[string]{}},
		"equal":                  {set{"a": "1"}, set{"a": "1"}, Delta[string]{}},
		"new, in order of keys":  {nil, set{"b": "2", "a": "1"}, Delta[string]{Add: []string{"1", "2"}}},
		"gone, in order of keys": {set{"b": "2", "a": "1"}, nil, Delta[string]{Remove: []string{"1", "2"}}},
		"all at once": {
			set{"gone": "g", "kept": "k", "other": "old"},
			set{"new": "n", "kept": "k", "other": "new"},
			Delta[string]{Add: []string{"n"}, Change: []Change[string]{{"old", "new"}}, Remove: []string{"g"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Diff(c.have, c.want, same)
			if diff := cmp.Diff(c.exp, got); diff != "" {
				t.Error(diff)
			}
			if got.Empty() != maps.Equal(c.have, c.want) {
				t.Errorf("empty is %v", got.Empty())
			}
		})
	}
}

// TestDiffLeadsFromHaveToWant carries deltas of random sets out.
func TestDiffLeadsFromHaveToWant(t *testing.T) {
	type thing struct{ key, value int }
	random := func(r *rand.Rand) map[int]thing {
		out := map[int]thing{}
		for range r.IntN(20) {
			key := r.IntN(20)
			out[key] = thing{key, r.IntN(2)}
		}
		return out
	}
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		have, want := random(r), random(r)
		d := Diff(have, want, func(a, b thing) bool { return a == b })
		got := maps.Clone(have)
		for _, v := range d.Remove {
			delete(got, v.key)
		}
		for _, c := range d.Change {
			if c.Have == c.Want {
				t.Fatalf("seed %d: %v changed into itself", seed, c.Have)
			}
			got[c.Want.key] = c.Want
		}
		for _, v := range d.Add {
			if _, there := got[v.key]; there {
				t.Fatalf("seed %d: %v added twice", seed, v)
			}
			got[v.key] = v
		}
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d: %v is not %v", seed, got, want)
		}
	}
}
