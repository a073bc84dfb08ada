package netfilter

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"sigs.k8s.io/knftables"
)

// chainPrefix begins the name of every chain in the netdev table: one chain for
// each isolated device, "isolate_<device>_<index>". With the index, a chain
// says by its name alone which incarnation of a device it belongs to.
const chainPrefix = "isolate_"

// isolation keeps the netdev table.
type isolation struct {
	nft                    knftables.Interface
	lacks                  error // why the kernel does not offer this family
	index                  indexer
	cache[map[string]bool] // the names of the chains that are there
}

func (i *isolation) isolate(ctx context.Context, devices []string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.lacks != nil {
		return fmt.Errorf("isolate %s: %w", strings.Join(devices, ", "), i.lacks)
	}
	if err := i.read(ctx); err != nil {
		return err
	}
	tx := i.nft.NewTransaction()
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("devices of the userspace datapath, which the host must not answer for; kept by kube-ovn-cni")})
	var added []string
	for _, device := range devices {
		index, err := i.index(device)
		if err != nil {
			return fmt.Errorf("isolate %s: %w", device, err)
		}
		name := isolatingChain(device, index)
		if !i.value[name] {
			tx.Add(dropAll(name, device))
			added = append(added, name)
		}
	}
	if len(added) == 0 {
		return nil
	}
	if err := i.run(ctx, tx); err != nil {
		return fmt.Errorf("isolate %s: %w", strings.Join(devices, ", "), err)
	}
	for _, name := range added {
		i.value[name] = true
	}
	return nil
}

func (i *isolation) release(ctx context.Context, devices []string) error {
	_, err := i.remove(ctx, func(device string, _ int) bool {
		for _, released := range devices {
			if device == safeName(released) {
				return true
			}
		}
		return false
	})
	return err
}

func (i *isolation) sweep(ctx context.Context) (int, error) {
	return i.remove(ctx, func(_ string, index int) bool {
		_, err := net.InterfaceByIndex(index)
		return err != nil
	})
}

// remove deletes the chains that a choice falls on. The kernel may have deleted
// one by itself when its device went, so each is added, without a hook, first.
func (i *isolation) remove(ctx context.Context, choose func(device string, index int) bool) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.lacks != nil {
		return 0, nil // nothing was ever isolated
	}
	if err := i.read(ctx); err != nil {
		return 0, err
	}
	tx := i.nft.NewTransaction()
	var removed []string
	for name := range i.value {
		if device, index, ok := isolated(name); ok && choose(device, index) {
			tx.Add(&knftables.Chain{Name: name})
			tx.Delete(&knftables.Chain{Name: name})
			removed = append(removed, name)
		}
	}
	if len(removed) == 0 {
		return 0, nil
	}
	if err := i.run(ctx, tx); err != nil {
		return 0, fmt.Errorf("release %s: %w", strings.Join(removed, ", "), err)
	}
	for _, name := range removed {
		delete(i.value, name)
	}
	return len(removed), nil
}

// run forgets what it knew when the kernel refuses a transaction.
func (i *isolation) run(ctx context.Context, tx *knftables.Transaction) error {
	err := i.nft.Run(ctx, tx)
	i.known = err == nil
	return err
}

func (i *isolation) read(ctx context.Context) error {
	if i.known {
		return nil
	}
	names, err := i.nft.List(ctx, "chain")
	if err != nil && !knftables.IsNotFound(err) {
		return fmt.Errorf("read table netdev %s: %w", table, err)
	}
	i.known, i.value = true, map[string]bool{}
	for _, name := range names {
		i.value[name] = true
	}
	return nil
}

// dropAll is a chain without a rule, whose policy is all there is to say.
func dropAll(name, device string) *knftables.Chain {
	return &knftables.Chain{
		Name:     name,
		Type:     knftables.PtrTo(knftables.FilterType),
		Hook:     knftables.PtrTo(knftables.IngressHook),
		Device:   &device,
		Priority: knftables.PtrTo(knftables.BaseChainPriority("-500")),
		Policy:   knftables.PtrTo(knftables.DropPolicy),
	}
}

func isolatingChain(device string, index int) string {
	return chainPrefix + safeName(device) + "_" + strconv.Itoa(index)
}

// isolated reads what isolatingChain wrote.
func isolated(chain string) (device string, index int, ok bool) {
	rest, ours := strings.CutPrefix(chain, chainPrefix)
	cut := strings.LastIndexByte(rest, '_')
	if !ours || cut < 0 {
		return "", 0, false
	}
	index, err := strconv.Atoi(rest[cut+1:])
	return rest[:cut], index, err == nil
}

// safeName replaces what nft does not take in the name of a chain.
func safeName(device string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, device)
}
