package ipam

import (
	"iter"
	"math/big"
	"net/netip"
	"strings"
)

// rangeSet is a set of addresses of one family, kept as disjoint ranges that
// do not touch, in a treap: a search tree by address that is at the same time
// a heap by a pseudo-random priority, which keeps it balanced (Seidel and
// Aragon, 1996). Every change is a few splits and joins, each logarithmic in
// the number of ranges. The zero rangeSet is empty.
type rangeSet struct {
	root *node
	draw uint64 // state of the priorities' generator
}

type node struct {
	Range
	priority    uint64
	left, right *node
}

// add puts in all addresses of r; some may be there already.
func (s *rangeSet) add(r Range) {
	before, rest := split(s.root, func(have Range) bool {
		return have.Last.Less(r.First) && have.Last.Next() != r.First
	})
	touched, after := split(rest, func(have Range) bool {
		return !r.Last.Less(have.First) || r.Last.Next() == have.First
	})
	if touched != nil {
		r.First = least(r.First, touched.first().First)
		r.Last = greatest(r.Last, touched.last().Last)
	}
	s.root = join(join(before, s.newNode(r)), after)
}

// remove takes out all addresses of r; some may not be there.
func (s *rangeSet) remove(r Range) {
	before, rest := split(s.root, func(have Range) bool { return have.Last.Less(r.First) })
	touched, after := split(rest, func(have Range) bool { return !r.Last.Less(have.First) })
	if touched != nil {
		if first := touched.first().First; first.Less(r.First) {
			before = join(before, s.newNode(Range{first, r.First.Prev()}))
		}
		if last := touched.last().Last; r.Last.Less(last) {
			after = join(s.newNode(Range{r.Last.Next(), last}), after)
		}
	}
	s.root = join(before, after)
}

// next finds the lowest address of the set that is not below from.
func (s *rangeSet) next(from netip.Addr) (netip.Addr, bool) {
	var found *node
	for n := s.root; n != nil; {
		if n.Last.Less(from) {
			n = n.right
		} else {
			found, n = n, n.left
		}
	}
	if found == nil {
		return netip.Addr{}, false
	}
	return greatest(from, found.First), true
}

func (s *rangeSet) contains(addr netip.Addr) bool {
	found, ok := s.next(addr)
	return ok && found == addr
}

// all yields the ranges in ascending order.
func (s *rangeSet) all() iter.Seq[Range] {
	return func(yield func(Range) bool) { s.root.walk(yield) }
}

// size counts the addresses. It visits every range.
func (s *rangeSet) size() *big.Int {
	sum := new(big.Int)
	for r := range s.all() {
		sum.Add(sum, r.Size())
	}
	return sum
}

// text lists the ranges as "a,b-c". After limit ranges it ends with ",…": the
// text goes into an API object, whose size is bounded.
func (s *rangeSet) text(limit int) string {
	var parts []string
	for r := range s.all() {
		if len(parts) == limit {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ",")
}

// newNode draws the priority by splitmix64 (Steele, Lea, Flood 2014). The
// sequence is the same in every run; only its being scattered matters.
func (s *rangeSet) newNode(r Range) *node {
	s.draw += 0x9e3779b97f4a7c15
	z := s.draw
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return &node{Range: r, priority: z ^ z>>31}
}

func (n *node) first() *node {
	for n.left != nil {
		n = n.left
	}
	return n
}

func (n *node) last() *node {
	for n.right != nil {
		n = n.right
	}
	return n
}

func (n *node) walk(yield func(Range) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.Range) && n.right.walk(yield)
}

// split parts a tree into the ranges for which isLeft holds and the rest. The
// former must be those below some address.
func split(n *node, isLeft func(Range) bool) (left, right *node) {
	if n == nil {
		return nil, nil
	}
	if isLeft(n.Range) {
		n.right, right = split(n.right, isLeft)
		return n, right
	}
	left, n.left = split(n.left, isLeft)
	return left, n
}

// join is the inverse: all of left is below all of right.
func join(left, right *node) *node {
	switch {
	case left == nil:
		return right
	case right == nil:
		return left
	case left.priority > right.priority:
		left.right = join(left.right, right)
		return left
	}
	right.left = join(left, right.left)
	return right
}

func least(a, b netip.Addr) netip.Addr {
	if b.Less(a) {
		return b
	}
	return a
}

func greatest(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return b
	}
	return a
}
