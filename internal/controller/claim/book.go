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
	// Filled is closed once the first listing has arrived.
	Filled chan struct{}

	mu        sync.RWMutex
	ledger    *ledger
	expected  map[string]struct{} // being created by us, not yet seen
	leaving   map[types.UID]bool  // deletion requested by us; true once confirmed
	filled    bool
	listeners []Listener
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
		Filled:   make(chan struct{}),
		ledger:   newLedger(inUse),
		expected: map[string]struct{}{},
		leaving:  map[types.UID]bool{},
	}
}

// Get returns an object by its name.
func (b *Book) Get(name string) (*kubeovnv1.IP, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	ip := b.ledger.object(name)
	return ip, ip != nil
}

// Names lists the objects of a group, such as SubnetGroup("join").
func (b *Book) Names(group string) []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Sorted(maps.Keys(b.ledger.groups[group]))
}

// Listen calls the function for every object that is known, elders first, and
// from then on for each change, in order. It is called with the Book locked and
// must neither block nor call back.
func (b *Book) Listen(listener Listener) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ip := range b.ledger.all() {
		listener(ip.Name, nil, ip)
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
	b.ledger.state++
	delete(b.expected, ip.Name)
	b.tell(ip.Name, b.ledger.put(ip))
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
	b.ledger.state++
	b.tell(ip.Name, b.ledger.remove(ip.Name))
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
	old := b.ledger.replace(present)
	// The listing may be older than a creation of ours or newer than the
	// deletion that followed: whoever waits for one has to look again.
	for name := range b.expected {
		if _, ok := old[name]; !ok {
			old[name] = nil
		}
	}
	clear(b.expected)
	for name, was := range old {
		if b.ledger.object(name) == nil {
			b.tell(name, was)
		}
	}
	for _, ip := range b.ledger.all() {
		b.tell(ip.Name, old[ip.Name])
	}
	if !b.filled {
		b.filled = true
		close(b.Filled)
	}
	return nil
}

// Resync does nothing: the Book never asks for objects to be told again.
func (b *Book) Resync() error { return nil }

// tell says what has become of an object.
func (b *Book) tell(name string, old *kubeovnv1.IP) {
	now := b.ledger.object(name)
	if old != nil && (now == nil || now.UID != old.UID) {
		delete(b.leaving, old.UID)
	}
	for _, listener := range b.listeners {
		listener(name, old, now)
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
