package netfilter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/knftables"

	"hawser/internal/delta"
)

// blueprint is what a table is to hold: chains with their rules, and the sets
// that they look into. The zero blueprint is a table that is not there.
type blueprint struct {
	purpose  string // for whoever reads the table
	chains   []chain
	sets     []*knftables.Set
	elements map[string]element
}

// chain is a base chain; each has a rule at least.
type chain struct {
	*knftables.Chain
	rules []rule
}

// rule is one rule with the comment by which it is known again. The comment
// carries a hash of the rule's text, because nft lists rules in another form
// than they were given.
type rule struct {
	text    string
	comment string
}

func newRule(purpose, text string) rule {
	sum := sha256.Sum256([]byte(text))
	return rule{text: text, comment: purpose + " #" + hex.EncodeToString(sum[:4])}
}

// element is a member of a set, in nft's own spelling; see pair for one that
// consists of two.
type element struct {
	set, value string
}

func (e element) key() string { return e.set + " " + e.value }

func (e element) object() *knftables.Element {
	return &knftables.Element{Set: e.set, Key: strings.Split(e.value, joint)}
}

// joint stands between the two parts of an element.
const joint = " . "

func pair(first, second string) string { return first + joint + second }

// content is what a table holds: by chain the comments of its rules in order,
// and the elements of its sets.
type content struct {
	comments map[string][]string
	elements map[string]element
}

func (b blueprint) content() content {
	c := content{comments: map[string][]string{}, elements: b.elements}
	for _, chain := range b.chains {
		for _, rule := range chain.rules {
			c.comments[chain.Name] = append(c.comments[chain.Name], rule.comment)
		}
	}
	return c
}

// keeper keeps one table as it should be. The sets are the same in every
// blueprint that it is given.
type keeper struct {
	nft   knftables.Interface
	lacks error // why the kernel does not offer this family
	sets  []*knftables.Set
	cache[content]
}

func (k *keeper) apply(ctx context.Context, want blueprint) (int, error) {
	if k.lacks != nil && want.chains == nil {
		return 0, nil
	}
	if k.lacks != nil {
		return 0, k.lacks
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.read(ctx); err != nil {
		return 0, err
	}
	tx := k.transaction(want)
	if tx.NumOperations() == 0 {
		return 0, nil
	}
	k.known = false // until the kernel has agreed
	if err := k.nft.Run(ctx, tx); err != nil {
		return 0, err
	}
	k.known, k.value = true, want.content()
	return tx.NumOperations(), nil
}

// transaction leads from what is known to what is wanted: by elements alone
// where the rules are right, else by building the table anew, which the kernel
// does in one step too.
func (k *keeper) transaction(want blueprint) *knftables.Transaction {
	tx := k.nft.NewTransaction()
	have, wanted := k.value, want.content()
	if !maps.EqualFunc(have.comments, wanted.comments, slices.Equal) {
		tx.Add(&knftables.Table{})
		tx.Delete(&knftables.Table{})
		have.elements = nil
		if want.chains != nil {
			want.lay(tx)
		}
	}
	todo := delta.Diff(have.elements, wanted.elements, func(have, want element) bool { return have == want })
	for _, old := range todo.Remove {
		tx.Delete(old.object())
	}
	for _, fresh := range todo.Add {
		tx.Add(fresh.object())
	}
	return tx
}

// lay adds everything but the elements.
func (b blueprint) lay(tx *knftables.Transaction) {
	tx.Add(&knftables.Table{Comment: &b.purpose})
	for _, set := range b.sets {
		tx.Add(set)
	}
	for _, chain := range b.chains {
		tx.Add(chain.Chain)
		for _, rule := range chain.rules {
			tx.Add(&knftables.Rule{Chain: chain.Name, Rule: rule.text, Comment: &rule.comment})
		}
	}
}

// read fills the cache from the kernel. A table that is not there, or not all
// of it, reads as empty.
func (k *keeper) read(ctx context.Context) error {
	if k.known {
		return nil
	}
	found, err := k.list(ctx)
	if err != nil && !knftables.IsNotFound(err) {
		return err
	}
	if err != nil {
		found = content{}
	}
	k.known, k.value = true, found
	return nil
}

func (k *keeper) list(ctx context.Context) (content, error) {
	listed, err := k.nft.ListRules(ctx, "")
	if err != nil {
		return content{}, err
	}
	found := content{comments: map[string][]string{}, elements: map[string]element{}}
	for _, rule := range listed {
		comment := ""
		if rule.Comment != nil {
			comment = *rule.Comment
		}
		found.comments[rule.Chain] = append(found.comments[rule.Chain], comment)
	}
	for _, set := range k.sets {
		members, err := k.nft.ListElements(ctx, "set", set.Name)
		if err != nil {
			return content{}, err
		}
		for _, member := range members {
			e := element{set: set.Name, value: strings.Join(member.Key, joint)}
			found.elements[e.key()] = e
		}
	}
	return found, nil
}
