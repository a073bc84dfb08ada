package takeover

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Places and attributes of a rule: struct fib_rule_hdr, linux/fib_rules.h.
const (
	ruleTable = 4 // where it is below 256; else an attribute has it
	ruleFlags = 8

	attributeIn       = 3
	attributePriority = 6
	attributeTable    = 15
	attributeOut      = 17

	// detached are the flags of a rule whose device is not there.
	detached = 0x8 | 0x10
)

// ruling reads rules and gives them other names.
type ruling struct{ *door }

// rules are those that name a device. They are by name: they wait where there is
// none, and follow a name, not a device.
func (r ruling) rules(naming string) ([]message, error) {
	var out []message
	for _, family := range families {
		question := message{header: make([]byte, ruleHeader)}
		question.header[0] = family
		found, err := r.dump(unix.RTM_GETRULE, unix.RTM_NEWRULE, question)
		if err != nil {
			return nil, fmt.Errorf("list routing rules: %w", err)
		}
		for _, rule := range found {
			if rule.text(attributeIn) == naming || rule.text(attributeOut) == naming {
				out = append(out, rule)
			}
		}
	}
	return out, nil
}

// renamed is a rule that names another device, or the same, as it is set.
func renamed(rule message, from, to string) message {
	out := rule.without()
	flags := binary.NativeEndian.Uint32(out.header[ruleFlags:])
	binary.NativeEndian.PutUint32(out.header[ruleFlags:], flags&^detached)
	for _, kind := range []uint16{attributeIn, attributeOut} {
		if rule.text(kind) == from {
			out = out.with(kind, text(to))
		}
	}
	return out
}

// nameAlso adds rules for another name to those there are.
func (r ruling) nameAlso(rules []message, from, to string) error {
	for _, rule := range rules {
		if err := r.send(unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, renamed(rule, from, to), unix.EEXIST); err != nil {
			return fmt.Errorf("add routing rule %d for %s: %w", rule.number(attributePriority), to, err)
		}
	}
	return nil
}

// forget deletes the rules that name a device.
func (r ruling) forget(naming string) error {
	rules, err := r.rules(naming)
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if err := r.send(unix.RTM_DELRULE, 0, renamed(rule, naming, naming), unix.ENOENT); err != nil {
			return fmt.Errorf("delete routing rule %d for %s: %w", rule.number(attributePriority), naming, err)
		}
	}
	return nil
}
