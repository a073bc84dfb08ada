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
	now     uint64 // counts changes of all topics
	dropped uint64 // the latest change of a topic that was forgotten
	topics  map[string]*topic
	waiting map[string][]*ticket // by who waits or was woken and has not left
}

type topic struct {
	changed uint64
	queue   *list.List // of *ticket
}

type ticket struct {
	who   string
	topic string
	place *list.Element // nil once woken
	wake  func()
}

// remembered is how many topics are kept for which nobody waits.
const remembered = 4096

// New makes an empty Room.
func New() *Room {
	return &Room{topics: map[string]*topic{}, waiting: map[string][]*ticket{}}
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
	r.now++
	t.changed = r.now
	for ; limit != 0 && t.queue.Len() > 0; limit-- {
		r.call(t.queue.Front().Value.(*ticket))
	}
	r.forget()
}

// wait makes wake be called once when the topic changes, or at once if it has
// changed since seen.
func (r *Room) wait(mine *ticket, seen uint64) (woken bool) {
	t := r.topic(mine.topic)
	if max(t.changed, r.dropped) > seen {
		r.call(mine)
		return true
	}
	if mine.place == nil {
		mine.place = t.queue.PushBack(mine)
	}
	return false
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

// forget drops topics for which nobody waits, when there are too many. Whoever
// looked before the latest of their changes is woken in vain.
func (r *Room) forget() {
	if len(r.topics) < remembered+len(r.waiting) {
		return
	}
	for name, t := range r.topics {
		if t.queue.Len() == 0 {
			r.dropped = max(r.dropped, t.changed)
			delete(r.topics, name)
		}
	}
}

// Lookout remembers when someone looked at what he then tried.
type Lookout struct {
	room   *Room
	who    string
	seen   uint64
	topics []string
}

// Lookout is to be called before anything is tried, so that no change is missed.
func (r *Room) Lookout(who string, topics ...string) Lookout {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Lookout{room: r, who: who, seen: r.now, topics: topics}
}

// Add names more topics to wait for.
func (l *Lookout) Add(topics ...string) { l.topics = append(l.topics, topics...) }

// Wait makes wake be called once when one of the topics changes, or at once if
// one has changed since the Lookout was made. Wake must not block.
func (l *Lookout) Wait(wake func()) {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	for _, name := range l.topics {
		mine := l.room.ticket(l.who, name)
		mine.wake = wake
		if l.room.wait(mine, l.seen) {
			return
		}
	}
}
