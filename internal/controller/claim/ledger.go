package claim

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	kubeovnv1 "hawser/api/v1"
)

// ledger is the objects in their order. It has no lock.
type ledger struct {
	inUse   func(*kubeovnv1.IP) bool
	entries map[string]*entry
	holders map[key][]*entry
	groups  map[string]map[string]struct{}
	state   uint64 // counts the states of the stream
}

// entry is an object and the state of the stream since which it holds what it
// holds.
type entry struct {
	ip    *kubeovnv1.IP
	since uint64
	keys  []key
}

func newLedger(inUse func(*kubeovnv1.IP) bool) *ledger {
	return &ledger{
		inUse:   inUse,
		entries: map[string]*entry{},
		holders: map[key][]*entry{},
		groups:  map[string]map[string]struct{}{},
	}
}

// object is what is known of a name, nil if nothing.
func (l *ledger) object(name string) *kubeovnv1.IP {
	if e, ok := l.entries[name]; ok {
		return e.ip
	}
	return nil
}

// all lists the objects; of those that have rivals the elder first.
func (l *ledger) all() []*kubeovnv1.IP {
	var calm, disputed []*entry
	for _, e := range l.entries {
		if l.hasRival(e) {
			disputed = append(disputed, e)
			continue
		}
		calm = append(calm, e)
	}
	slices.SortFunc(disputed, l.compare)
	return objects(append(calm, disputed...))
}

func (l *ledger) hasRival(e *entry) bool {
	return slices.ContainsFunc(e.keys, func(k key) bool { return len(l.holders[k]) > 1 })
}

func (l *ledger) holding(subnet string, addresses []netip.Addr) []*kubeovnv1.IP {
	var found []*entry
	for _, addr := range addresses {
		for _, e := range l.holders[key{subnet: subnet, address: addr}] {
			if !slices.Contains(found, e) {
				found = append(found, e)
			}
		}
	}
	slices.SortFunc(found, l.compare)
	return objects(found)
}

func objects(entries []*entry) []*kubeovnv1.IP {
	ips := make([]*kubeovnv1.IP, len(entries))
	for i, e := range entries {
		ips[i] = e.ip
	}
	return ips
}

// put takes an object over and returns what it was. One that is the same and
// holds the same keeps its place in the order.
func (l *ledger) put(ip *kubeovnv1.IP) (old *kubeovnv1.IP) {
	e := &entry{ip: ip, since: l.state, keys: keysOf(ip)}
	if known, ok := l.entries[ip.Name]; ok {
		old = known.ip
		if old.UID == ip.UID && slices.Equal(known.keys, e.keys) {
			e.since = known.since
		}
		l.remove(ip.Name)
	}
	l.entries[ip.Name] = e
	for _, k := range e.keys {
		l.holders[k] = append(l.holders[k], e)
	}
	for _, group := range groupsOf(ip) {
		if l.groups[group] == nil {
			l.groups[group] = map[string]struct{}{}
		}
		l.groups[group][ip.Name] = struct{}{}
	}
	return old
}

// remove forgets an object and returns what it was.
func (l *ledger) remove(name string) (old *kubeovnv1.IP) {
	e, ok := l.entries[name]
	if !ok {
		return nil
	}
	delete(l.entries, name)
	for _, k := range e.keys {
		rest := slices.DeleteFunc(l.holders[k], func(other *entry) bool { return other == e })
		if l.holders[k] = rest; len(rest) == 0 {
			delete(l.holders, k)
		}
	}
	for _, group := range groupsOf(e.ip) {
		if delete(l.groups[group], name); len(l.groups[group]) == 0 {
			delete(l.groups, group)
		}
	}
	return e.ip
}

// replace makes these the objects. It returns all that exist or did, with what
// they were. What is new has one place in the order together.
func (l *ledger) replace(present map[string]*kubeovnv1.IP) (old map[string]*kubeovnv1.IP) {
	l.state++
	old = make(map[string]*kubeovnv1.IP, len(present))
	for _, name := range slices.Collect(maps.Keys(l.entries)) {
		if _, ok := present[name]; !ok {
			old[name] = l.remove(name)
		}
	}
	for name, ip := range present {
		old[name] = l.put(ip)
	}
	return old
}

// judge compares an object with all others that hold what it holds.
func (l *ledger) judge(e *entry) (verdict Verdict, rival string) {
	verdict = Won
	for _, k := range e.keys {
		for _, other := range l.holders[k] {
			switch {
			case other == e || other.since > e.since:
				continue
			case other.since < e.since, l.compare(other, e) < 0:
				return Lost, other.ip.Name
			}
			verdict, rival = Pending, other.ip.Name
		}
	}
	return verdict, rival
}

// compare sorts entries: the elder first, and within one state of the stream
// the one that has more right to its addresses.
func (l *ledger) compare(x, y *entry) int {
	if x.since != y.since {
		return cmp.Compare(x.since, y.since)
	}
	return cmp.Or(
		-compareBool(l.inUse(x.ip), l.inUse(y.ip)),
		x.ip.CreationTimestamp.Compare(y.ip.CreationTimestamp.Time),
		compareVersions(x.ip.ResourceVersion, y.ip.ResourceVersion),
		strings.Compare(string(x.ip.UID), string(y.ip.UID)),
	)
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}

// compareVersions compares resourceVersions, which are numbers of any size from
// Kubernetes 1.35 on. Where one is not a number nothing is said.
func compareVersions(x, y string) int {
	nx, errX := strconv.ParseUint(x, 10, 64)
	ny, errY := strconv.ParseUint(y, 10, 64)
	if errX != nil || errY != nil {
		return 0
	}
	return cmp.Compare(nx, ny)
}
