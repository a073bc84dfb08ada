package takeover

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"hawser/internal/host"
)

// Options are what a takeover is confirmed by.
type Options struct {
	// Server is the API server, "192.0.2.1:6443", as the node reaches it without
	// Services; empty asks for the gateways alone.
	Server string
	// Boot tells this boot from others: what was noted before it is no more.
	Boot string
	// Patience is how long an answer or a device is waited for, by default ten
	// seconds, so that rolling back is over after thirty.
	Patience time.Duration
}

// Client does the steps of takeovers, in the network namespace that it was opened
// in.
type Client struct {
	*door
	options  Options
	naming   naming
	wardrobe wardrobe
	oracle   oracle
	mover    mover
	// confirmed are the NICs, by provider network and number, of which this process
	// has seen that the bridge does what they did.
	confirmed map[string]int
	speakers  speakers
}

// Open takes the sockets. It needs CAP_NET_ADMIN, and CAP_NET_RAW to announce.
func Open(options Options) (*Client, error) {
	if options.Patience == 0 {
		options.Patience = 10 * time.Second
	}
	door, err := openDoor()
	if err != nil {
		return nil, err
	}
	addresses, routes := addressing{door}, routing{door}
	rules, neighbours := ruling{door}, neighbourhood{door}
	wardrobe, oracle := wardrobe{door, options.Patience}, oracle{neighbours, routes, options}
	return &Client{
		door: door, options: options, confirmed: map[string]int{}, speakers: speakers{},
		naming:   naming{door, addresses, rules},
		wardrobe: wardrobe,
		oracle:   oracle,
		mover:    mover{estate{door, addresses, routes, rules, neighbours}, wardrobe, oracle, detours{}, options},
	}, nil
}

// Close gives the sockets back, and ends what only lives as long as they.
func (c *Client) Close() {
	for provider := range c.mover.detours {
		_ = c.mover.detours.close(provider)
	}
	for provider := range c.speakers {
		c.speakers.end(provider)
	}
	c.close()
}

// note is what the NIC had before a step, in case that the bridge is lost with it.
// It stands in the journal as JSON.
type note struct {
	Boot       string
	Addresses  [][]byte          `json:",omitempty"`
	Routes     [][]byte          `json:",omitempty"`
	Rules      [][]byte          `json:",omitempty"`
	Neighbours [][]byte          `json:",omitempty"`
	Labels     map[string]string `json:",omitempty"`
}

// noted are the actions that have something to remember.
func noted(action host.Action) bool {
	switch action {
	case host.ActionRename, host.ActionCopy, host.ActionSwitch, host.ActionBare:
		return true
	}
	return false
}

// Before says what the NIC has.
func (c *Client) Before(ctx context.Context, step host.Step) (string, error) {
	if err := ctx.Err(); err != nil || !noted(step.Action) {
		return "", err
	}
	nic, err := c.mustNIC(step.Uplink)
	if err != nil {
		return "", err
	}
	has, err := c.mover.goods(nic)
	if err != nil {
		return "", err
	}
	labels, err := c.naming.labels(nic)
	if err != nil {
		return "", err
	}
	written, err := json.Marshal(note{
		Boot: c.options.Boot, Labels: labels,
		Addresses: pack(has.addresses), Routes: pack(has.routes), Rules: pack(has.rules), Neighbours: pack(has.neighbours),
	})
	return string(written), err
}

// recall reads such a note; what was before a reboot is none. Labels are nil without.
func (o Options) recall(step host.Step) (has goods, labels map[string]string, err error) {
	var read note
	if step.Before == "" {
		return has, nil, nil
	}
	if err := json.Unmarshal([]byte(step.Before), &read); err != nil {
		return has, nil, fmt.Errorf("read what %s had before: %w", step.Uplink.NIC, err)
	}
	if read.Boot != o.Boot {
		return has, nil, nil
	}
	for _, part := range []struct {
		into   *[]message
		packed [][]byte
		header int
	}{
		{&has.addresses, read.Addresses, addressHeader}, {&has.routes, read.Routes, routeHeader},
		{&has.rules, read.Rules, ruleHeader}, {&has.neighbours, read.Neighbours, neighbourHeader},
	} {
		if *part.into, err = unpack(part.packed, part.header); err != nil {
			return has, nil, err
		}
	}
	if read.Labels == nil {
		read.Labels = map[string]string{}
	}
	return has, read.Labels, nil
}
