// Package room is where reconcilers wait for each other without asking again
// and again: a Room for topics, an Inbox that wakes one key of a queue.
package room

import (
	"container/list"
	"sync"
)

// Room is where those wait that can go on only when a topic changes: an address
// of a subnet was freed, a switch was written. Waiting costs nothing, and a
// change costs only those who are woken.
type Room struct {
	mu      sync.Mutex
	topics  map[string]*topic
	waiting map[string][]*ticket // by who waits or was woken and has not left
}

type topic struct {
	changes uint64
	queue   *list.List // of *ticket
}

type ticket struct {
	who   string
	topic string
	place *list.Element // nil once woken
	wake  func()
}

// New makes an empty Room.
func New() *Room {
	return &Room{topics: map[string]*topic{}, waiting: map[string][]*ticket{}}
}

// Seen returns how often a topic has changed. It is asked before one tries what
// may fail, and handed to Wait afterwards, so that no change is missed.
func (r *Room) Seen(name string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.topic(name).changes
}

// Wait makes wake be called once when the topic changes, or at once if it has
// changed since seen. Wake must not block.
func (r *Room) Wait(who, name string, seen uint64, wake func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.topic(name)
	mine := r.ticket(who, name)
	mine.wake = wake
	switch {
	case t.changes != seen:
		r.call(mine)
	case mine.place == nil:
		mine.place = t.queue.PushBack(mine)
	}
}

// Leave forgets that someone waits, and returns what for. Who was woken and
// does not need what has changed passes it on by ChangeFor.
func (r *Room) Leave(who string) (topics []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, mine := range r.waiting[who] {
		topics = append(topics, mine.topic)
		r.withdraw(mine)
	}
	delete(r.waiting, who)
	return topics
}

// Change wakes everybody who waits for a topic.
func (r *Room) Change(name string) { r.ChangeFor(name, -1) }

// ChangeFor wakes at most limit of those who wait for a topic, who has waited
// longest first; a negative limit is none.
func (r *Room) ChangeFor(name string, limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.topic(name)
	t.changes++
	for ; limit != 0 && t.queue.Len() > 0; limit-- {
		r.call(t.queue.Front().Value.(*ticket))
	}
}

// call wakes someone, who from now on waits for none of his topics.
func (r *Room) call(first *ticket) {
	for _, other := range r.waiting[first.who] {
		r.withdraw(other)
	}
	first.wake()
}

func (r *Room) withdraw(t *ticket) {
	if t.place != nil {
		r.topics[t.topic].queue.Remove(t.place)
		t.place = nil
	}
}

func (r *Room) ticket(who, name string) *ticket {
	for _, mine := range r.waiting[who] {
		if mine.topic == name {
			return mine
		}
	}
	mine := &ticket{who: who, topic: name}
	r.waiting[who] = append(r.waiting[who], mine)
	return mine
}

func (r *Room) topic(name string) *topic {
	t, ok := r.topics[name]
	if !ok {
		t = &topic{queue: list.New()}
		r.topics[name] = t
	}
	return t
}

// Lookout remembers what someone had seen of some topics before he tried.
type Lookout struct {
	room *Room
	who  string
	seen map[string]uint64
}

// Lookout notes what someone has seen of some topics.
func (r *Room) Lookout(who string, topics ...string) Lookout {
	l := Lookout{room: r, who: who, seen: map[string]uint64{}}
	l.Add(topics...)
	return l
}

// Add looks at more topics, which must not have been tried yet.
func (l Lookout) Add(topics ...string) {
	for _, name := range topics {
		if _, ok := l.seen[name]; !ok {
			l.seen[name] = l.room.Seen(name)
		}
	}
}

// Wait waits for any of the topics.
func (l Lookout) Wait(wake func()) {
	for name, seen := range l.seen {
		l.room.Wait(l.who, name, seen, wake)
	}
}
