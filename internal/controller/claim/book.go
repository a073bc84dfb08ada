package claim

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	kubeovnv1 "hawser/api/v1"
)

// Book is the ordered memory of all IP objects. It is the store of a reflector
// (k8s.io/client-go/tools/cache), which hands it every event of one watch in
// order and replaces its content as a whole after a gap; an informer would
// show half of such a replacement. It is safe for concurrent use. What it
// returns is shared and must not be changed.
type Book struct {
	inUse func(*kubeovnv1.IP) bool

	mu        sync.RWMutex
	entries   map[string]*entry
	holders   map[key][]*entry
	groups    map[string]map[string]struct{}
	expected  map[string]struct{} // being created by us, not yet seen
	leaving   map[types.UID]bool  // deletion requested by us; true once confirmed
	state     uint64              // counts the states of the stream
	filled    bool
	filledCh  chan struct{}
	listeners []Listener
}

// entry is an object and the state of the stream since which it holds what it
// holds.
type entry struct {
	ip    *kubeovnv1.IP
	since uint64
	keys  []key
}

// Listener is told of a change: of an object that appeared (old is nil),
// changed, or disappeared (now is nil). Both are nil for an object that was
// expected and about which a listing says nothing.
type Listener func(name string, old, now *kubeovnv1.IP)

// NewBook makes an empty Book. The function inUse tells whether the holder of
// an object is known to have passed its check, by what it wrote elsewhere; it
// is asked only about objects whose order is unknown, and must not call back.
func NewBook(inUse func(*kubeovnv1.IP) bool) *Book {
	return &Book{
		inUse:    inUse,
		entries:  map[string]*entry{},
		holders:  map[key][]*entry{},
		groups:   map[string]map[string]struct{}{},
		expected: map[string]struct{}{},
		leaving:  map[types.UID]bool{},
		filledCh: make(chan struct{}),
	}
}

// Filled is closed once the first listing has arrived.
func (b *Book) Filled() <-chan struct{} { return b.filledCh }

// Get returns an object by its name.
func (b *Book) Get(name string) (*kubeovnv1.IP, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e, ok := b.entries[name]
	if !ok {
		return nil, false
	}
	return e.ip, true
}

// Names lists the objects of a group, such as SubnetGroup("join").
func (b *Book) Names(group string) []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	names := make([]string, 0, len(b.groups[group]))
	for name := range b.groups[group] {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Count tells how many objects a group has.
func (b *Book) Count(group string) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.groups[group])
}

// Listen calls the function for every object that is known, elders first, and
// from then on for each change, in order. It is called with the Book locked and
// must neither block nor call back.
func (b *Book) Listen(listener Listener) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := make([]*entry, 0, len(b.entries))
	for _, e := range b.entries {
		known = append(known, e)
	}
	slices.SortFunc(known, b.compare)
	for _, e := range known {
		listener(e.ip.Name, nil, e.ip)
	}
	b.listeners = append(b.listeners, listener)
}

// Add is an event of the watch: the object was created.
func (b *Book) Add(obj any) error { return b.Update(obj) }

// Update is an event of the watch: the object is now like this.
func (b *Book) Update(obj any) error {
	ip, err := asIP(obj)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state++
	old := b.object(ip.Name)
	b.put(ip)
	b.tell(ip.Name, old)
	return nil
}

// Delete is an event of the watch: the object is gone.
func (b *Book) Delete(obj any) error {
	ip, err := asIP(obj)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state++
	old := b.object(ip.Name)
	b.remove(ip.Name)
	b.tell(ip.Name, old)
	return nil
}

// Replace is a listing: these objects exist and no others.
func (b *Book) Replace(list []any, _ string) error {
	present := make(map[string]*kubeovnv1.IP, len(list))
	for _, obj := range list {
		ip, err := asIP(obj)
		if err != nil {
			return err
		}
		present[ip.Name] = ip
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state++
	old := b.replace(present)
	for _, name := range slices.SortedFunc(maps.Keys(old), b.compareNames) {
		b.tell(name, old[name])
	}
	if !b.filled {
		b.filled = true
		close(b.filledCh)
	}
	return nil
}

// Resync does nothing: the Book never asks for objects to be told again.
func (b *Book) Resync() error { return nil }

// replace returns whose listeners have to be told, with what they were: all
// that exist or did, and all that were expected, since the listing may be older
// than their creation or newer than their deletion.
func (b *Book) replace(present map[string]*kubeovnv1.IP) map[string]*kubeovnv1.IP {
	old := make(map[string]*kubeovnv1.IP, len(present))
	for name := range b.expected {
		old[name] = nil
	}
	clear(b.expected)
	for name, e := range b.entries {
		old[name] = e.ip
	}
	for name := range old {
		if _, ok := present[name]; !ok {
			b.remove(name)
		}
	}
	for name, ip := range present {
		old[name] = b.object(name)
		b.put(ip)
	}
	return old
}

func (b *Book) tell(name string, old *kubeovnv1.IP) {
	now := b.object(name)
	for _, listener := range b.listeners {
		listener(name, old, now)
	}
}

// object is what is known of a name, nil if nothing.
func (b *Book) object(name string) *kubeovnv1.IP {
	if e, ok := b.entries[name]; ok {
		return e.ip
	}
	return nil
}

// put takes an object over. One that is the same and holds the same keeps its
// place in the order.
func (b *Book) put(ip *kubeovnv1.IP) {
	e := &entry{ip: ip, since: b.state, keys: keysOf(ip)}
	if old, ok := b.entries[ip.Name]; ok {
		confirmed, asked := b.leaving[old.ip.UID]
		b.remove(ip.Name)
		same := old.ip.UID == ip.UID
		if same && slices.Equal(old.keys, e.keys) {
			e.since = old.since
		}
		if same && asked {
			b.leaving[ip.UID] = confirmed
		}
	}
	b.entries[ip.Name] = e
	for _, k := range e.keys {
		b.holders[k] = append(b.holders[k], e)
	}
	for _, group := range groupsOf(ip) {
		if b.groups[group] == nil {
			b.groups[group] = map[string]struct{}{}
		}
		b.groups[group][ip.Name] = struct{}{}
	}
	delete(b.expected, ip.Name)
}

func (b *Book) remove(name string) {
	e, ok := b.entries[name]
	if !ok {
		return
	}
	delete(b.entries, name)
	delete(b.leaving, e.ip.UID)
	for _, k := range e.keys {
		rest := slices.DeleteFunc(b.holders[k], func(other *entry) bool { return other == e })
		if len(rest) == 0 {
			delete(b.holders, k)
			continue
		}
		b.holders[k] = rest
	}
	for _, group := range groupsOf(e.ip) {
		delete(b.groups[group], name)
		if len(b.groups[group]) == 0 {
			delete(b.groups, group)
		}
	}
}

func asIP(obj any) (*kubeovnv1.IP, error) {
	ip, ok := obj.(*kubeovnv1.IP)
	if !ok {
		return nil, fmt.Errorf("watch of IP objects delivered a %T", obj)
	}
	ip.ManagedFields = nil // half of an object's size, and of no use here
	return ip, nil
}
