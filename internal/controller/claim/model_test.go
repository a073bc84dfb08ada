package claim

import (
	"fmt"
	"math/rand/v2"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	kubeovnv1 "hawser/api/v1"
)

// model is an API server reduced to a log of changes of one kind, and several
// controllers that each follow it at their own pace, lose their watch, and list
// anew. Each acts on its own Book alone, as a leader that does not know that it
// is not the only one.
type model struct {
	t       *testing.T
	random  *rand.Rand
	log     []change
	exists  map[string]*kubeovnv1.IP
	serial  int
	players []*player
	ports   map[string]types.UID // name → the claim by which a port was written
}

type change struct {
	ip      *kubeovnv1.IP
	deleted bool
}

type player struct {
	book *Book
	seen int // changes of the log
	// listed counts listings that skipped something.
	listed int
}

func newModel(t *testing.T, seed uint64, players int) *model {
	m := &model{
		t: t, random: rand.New(rand.NewPCG(seed, 1)),
		exists: map[string]*kubeovnv1.IP{}, ports: map[string]types.UID{},
	}
	for range players {
		p := &player{}
		p.book = NewBook(func(ip *kubeovnv1.IP) bool { return m.random.IntN(2) == 0 && m.ports[ip.Name] == ip.UID })
		m.players = append(m.players, p)
	}
	return m
}

const modelNames, modelAddresses = 12, 4

func (m *model) step() {
	p := m.players[m.random.IntN(len(m.players))]
	name := fmt.Sprintf("p%d", m.random.IntN(modelNames))
	switch m.random.IntN(10) {
	case 0, 1, 2:
		m.follow(p)
	case 3:
		m.list(p)
	case 4, 5, 6:
		m.claim(p, name)
	case 7, 8:
		m.judge(p, name)
	case 9:
		m.drop(p, name)
	}
}

func (m *model) follow(p *player) {
	for range m.random.IntN(4) {
		if p.seen == len(m.log) {
			return
		}
		c := m.log[p.seen]
		p.seen++
		if c.deleted {
			do(m.t, p.book.Delete(c.ip.DeepCopy()))
			continue
		}
		do(m.t, p.book.Update(c.ip.DeepCopy()))
	}
}

// list replaces a Book by the state at a later point of the log.
func (m *model) list(p *player) {
	if m.random.IntN(8) > 0 {
		return
	}
	p.listed++
	p.seen += m.random.IntN(len(m.log) - p.seen + 1)
	present := map[string]*kubeovnv1.IP{}
	for _, c := range m.log[:p.seen] {
		if delete(present, c.ip.Name); !c.deleted {
			present[c.ip.Name] = c.ip
		}
	}
	var list []any
	for _, ip := range present {
		list = append(list, ip.DeepCopy())
	}
	do(m.t, p.book.Replace(list, ""))
}

func (m *model) claim(p *player, name string) {
	if p.book.Judge(name).Verdict != Absent || m.exists[name] != nil {
		return // the API server refuses a second object of the name
	}
	m.serial++
	ip := object(name, fmt.Sprintf("%03d-%d", m.random.IntN(1000), m.serial), fmt.Sprintf("10.0.0.%d", 1+m.random.IntN(modelAddresses)))
	ip.CreationTimestamp = metav1.Unix(int64(m.random.IntN(3)), 0) // clocks of several servers
	ip.ResourceVersion = fmt.Sprint(m.serial)
	m.exists[name] = ip
	m.log = append(m.log, change{ip: ip})
}

// judge writes a port if the Book says so, however old its view is. The fence
// in the database is modelled by nothing: every player may write.
func (m *model) judge(p *player, name string) {
	switch found := p.book.Judge(name); found.Verdict {
	case Won:
		if now := m.exists[name]; now == nil || now.UID != found.IP.UID {
			return // what the fence is for: the claim was given up by another
		}
		m.ports[name] = found.IP.UID
		m.verify()
	case Lost:
		if m.ports[name] == found.IP.UID {
			return // in use: its holder does not give up while others look on
		}
		m.drop(p, name)
	}
}

// drop takes the port away, then the object.
func (m *model) drop(p *player, name string) {
	found := p.book.Judge(name)
	if found.IP == nil || m.exists[name] == nil || m.exists[name].UID != found.IP.UID {
		return
	}
	delete(m.ports, name)
	m.log = append(m.log, change{ip: m.exists[name], deleted: true})
	delete(m.exists, name)
}

// verify: no two ports with one address.
func (m *model) verify() {
	users := map[string]string{}
	for name := range m.ports {
		ip := m.exists[name]
		if other, ok := users[ip.Spec.IPAddress]; ok {
			m.t.Fatalf("%s has two ports: %s and %s", ip.Spec.IPAddress, name, other)
		}
		users[ip.Spec.IPAddress] = name
	}
}

// A million random steps of three controllers that all believe to lead: no
// address ever has two ports.
func TestNoAddressTwice(t *testing.T) {
	const runs, steps = 100, 10_000
	ports, listed := 0, 0
	for seed := range uint64(runs) {
		m := newModel(t, seed, 3)
		for range steps {
			m.step()
		}
		ports += len(m.ports)
		for _, p := range m.players {
			listed += p.listed
		}
	}
	if ports == 0 || listed == 0 {
		t.Errorf("the model did nothing: %d ports, %d listings", ports, listed)
	}
}
