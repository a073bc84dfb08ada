package overlay

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hawser/internal/ipam"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// reader turns the text of one object into values and collects what it cannot
// read, so that the user hears of every mistake at once.
type reader struct {
	object   logical.Owner
	problems []plan.Problem
}

func (r *reader) report(reason plan.Reason, format string, args ...any) {
	r.problems = append(r.problems, plan.Problem{Object: r.object, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// words splits a list at commas; empty words are left out.
func words(text, separator string) []string {
	var list []string
	for _, word := range strings.Split(text, separator) {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}

// addresses reads "v4", "v6" or "v4,v6" in either order and returns IPv4 first.
func (r *reader) addresses(field, text string) []netip.Addr {
	var addrs []netip.Addr
	for _, word := range words(text, ",") {
		one, err := ipam.ParseRange(word)
		if err != nil || one.First != one.Last {
			r.report(plan.Malformed, "%s: %q is not an IP address", field, word)
			continue
		}
		addrs = append(addrs, one.First)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	if twice(addrs, ipam.FamilyOf) {
		r.report(plan.Malformed, "%s: %q names two addresses of one family", field, text)
		return nil
	}
	return addrs
}

// prefixes reads "v4", "v6" or "v4,v6" in either order, masks host bits and
// returns IPv4 first.
func (r *reader) prefixes(field, text string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, word := range words(text, ",") {
		if prefix, ok := r.prefix(field, word); ok {
			prefixes = append(prefixes, prefix)
		}
	}
	slices.SortFunc(prefixes, comparePrefixes)
	if twice(prefixes, familyOf) {
		r.report(plan.Malformed, "%s: %q names two networks of one family", field, text)
		return nil
	}
	return prefixes
}

func (r *reader) prefix(field, text string) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		r.report(plan.Malformed, "%s: %q is not a network such as 10.16.0.0/16", field, text)
		return netip.Prefix{}, false
	}
	return prefix.Masked(), true
}

// excludes reads single addresses and ranges "a..b".
func (r *reader) excludes(field string, texts []string) []ipam.Range {
	var ranges []ipam.Range
	for _, text := range texts {
		one, err := ipam.ParseRange(text)
		if err != nil {
			r.report(plan.Malformed, "%s: %v", field, err)
			continue
		}
		ranges = append(ranges, one)
	}
	return ranges
}

// twice tells whether a key occurs more than once.
func twice[V any, K comparable](values []V, key func(V) K) bool {
	seen := map[K]bool{}
	for _, v := range values {
		if seen[key(v)] {
			return true
		}
		seen[key(v)] = true
	}
	return false
}

func familyOf(prefix netip.Prefix) ipam.Family { return ipam.FamilyOf(prefix.Addr()) }

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// joined writes values in the contract's form, "v4,v6".
func joined[V fmt.Stringer](values []V, separator string) string {
	var texts []string
	for _, v := range values {
		texts = append(texts, v.String())
	}
	return strings.Join(texts, separator)
}
