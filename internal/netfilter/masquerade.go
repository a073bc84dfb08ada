package netfilter

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/knftables"

	"hawser/internal/delta"
	"hawser/internal/host"
)

// masquerade keeps the inet table.
type masquerade struct {
	nft knftables.Interface
	cache[content]
}

// content is what the table holds: the comments of its rules in order, and the
// elements of its sets.
type content struct {
	comments []string
	elements map[string]element
}

func (m *masquerade) apply(ctx context.Context, want host.Masquerade) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.read(ctx); err != nil {
		return 0, fmt.Errorf("read table inet %s: %w", table, err)
	}
	wanted := content{}
	if want.Gateway != "" {
		wanted = content{comments: comments(rules(want.Gateway)), elements: elements(want)}
	}
	tx, changed := m.transaction(want, wanted)
	if changed == 0 {
		return 0, nil
	}
	m.known = false // until the kernel has agreed
	if err := m.nft.Run(ctx, tx); err != nil {
		return 0, fmt.Errorf("write table inet %s: %w", table, err)
	}
	m.known, m.value = true, wanted
	return changed, nil
}

// transaction leads from what is known to what is wanted: by elements alone
// where the rules are right, else by building the table anew, which the kernel
// does in one step too.
func (m *masquerade) transaction(want host.Masquerade, wanted content) (*knftables.Transaction, int) {
	tx := m.nft.NewTransaction()
	have := m.value
	rebuild := !slices.Equal(have.comments, wanted.comments)
	if rebuild {
		tx.Add(&knftables.Table{})
		tx.Delete(&knftables.Table{})
		have.elements = nil
	}
	if rebuild && want.Gateway != "" {
		addSkeleton(tx, want.Gateway)
	}
	todo := delta.Diff(have.elements, wanted.elements, func(have, want element) bool { return have == want })
	for _, old := range todo.Remove {
		tx.Delete(old.object())
	}
	for _, fresh := range todo.Add {
		tx.Add(fresh.object())
	}
	return tx, tx.NumOperations()
}

func addSkeleton(tx *knftables.Transaction, gateway string) {
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("masquerading of the pod network; kept by kube-ovn-cni")})
	for _, set := range sets() {
		tx.Add(set)
	}
	tx.Add(&knftables.Chain{
		Name:     chainName,
		Type:     knftables.PtrTo(knftables.NATType),
		Hook:     knftables.PtrTo(knftables.PostroutingHook),
		Priority: knftables.PtrTo(priority),
	})
	for _, rule := range rules(gateway) {
		tx.Add(&knftables.Rule{Chain: chainName, Rule: rule.text, Comment: &rule.comment})
	}
}

// read fills the cache from the kernel. A table that is not there, or not all
// of it, reads as empty.
func (m *masquerade) read(ctx context.Context) error {
	if m.known {
		return nil
	}
	found, err := m.list(ctx)
	if err != nil && !knftables.IsNotFound(err) {
		return err
	}
	if err != nil {
		found = content{}
	}
	m.known, m.value = true, found
	return nil
}

func (m *masquerade) list(ctx context.Context) (content, error) {
	listed, err := m.nft.ListRules(ctx, chainName)
	if err != nil {
		return content{}, err
	}
	found := content{elements: map[string]element{}}
	for _, rule := range listed {
		comment := ""
		if rule.Comment != nil {
			comment = *rule.Comment
		}
		found.comments = append(found.comments, comment)
	}
	for _, set := range sets() {
		members, err := m.nft.ListElements(ctx, "set", set.Name)
		if err != nil {
			return content{}, err
		}
		for _, member := range members {
			e := element{set: set.Name, value: member.Key[0]}
			found.elements[e.key()] = e
		}
	}
	return found, nil
}

func comments(rules []rule) []string {
	var out []string
	for _, rule := range rules {
		out = append(out, rule.comment)
	}
	return out
}
