package takeover

import (
	"context"
	"errors"
	"slices"

	"hawser/internal/host"
)

// mover moves all that there is from one device to the other.
type mover struct {
	estate
	wardrobe wardrobe
	oracle   oracle
	detours  detours
	options  Options
}

// copy gives the bridge what the NIC has, and has it hear what the NIC is about to
// hear no more.
func (m mover) copy(step host.Step) error {
	nic, bridge, err := m.mustBoth(step.Uplink)
	if err != nil {
		return err
	}
	has, err := m.goodsOr(step, nic, bridge, goods.isNobody)
	if err != nil {
		return err
	}
	there, err := m.addresses(bridge)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(there, isOfLink) { // another, by now, is the kernel's alone
		has.addresses = slices.DeleteFunc(has.addresses, isOfLink)
	}
	if err := m.hand(has, nic, bridge); err != nil {
		return err
	}
	return m.detours.open(m.door, step.Uplink, nic, bridge)
}

// lead leads the routes through the bridge as soon as the NIC is its port and the
// gateways answer to it: that ovs-vswitchd has the port does not yet mean that it
// passes frames. Who became a neighbour of the NIC in the meantime is one of the
// bridge, too.
func (m mover) lead(ctx context.Context, step host.Step) error {
	if err := m.wardrobe.awaitPort(ctx, step.Uplink, true); err != nil {
		return err
	}
	nic, bridge, err := m.mustBoth(step.Uplink)
	if err != nil {
		return err
	}
	has, err := m.goodsOr(step, nic, bridge, goods.isAstray)
	if err != nil {
		return err
	}
	if err := m.introduce(has.neighbours, bridge); err != nil {
		return err
	}
	if err := m.oracle.hears(ctx, nic, bridge); err != nil {
		return err
	}
	return errors.Join(m.reroute(has.routes, nic, bridge), m.detours.close(step.Uplink.Provider))
}

// bare takes from the NIC what the bridge has, if NetworkManager has not done so
// already. Hearing and answering are by the bridge alone from now on, and its rp_filter
// can be what the NIC's was.
func (m mover) bare(u host.Uplink) error {
	nic, bridge, err := m.mustBoth(u)
	if err != nil {
		return err
	}
	has, err := m.goods(nic)
	if err != nil || (len(has.addresses) == 0 && len(has.rules) == 0 && !isLoose(bridge.name)) {
		return err
	}
	if err := tighten(bridge.name, nic.name); err != nil {
		return err
	}
	if err := m.strip(has, nic); err != nil {
		return err
	}
	return m.announce(has.addresses, bridge)
}

// undoBare gives the NIC what it has to get back.
func (m mover) undoBare(step host.Step) error {
	has, from, nic, err := m.remains(step)
	if err != nil || !nic.there() {
		return err
	}
	return m.hand(has, from, nic)
}

// undoLead leads the routes through the NIC, while the bridge still hears.
func (m mover) undoLead(step host.Step) error {
	has, from, nic, err := m.remains(step)
	if err != nil || !nic.there() {
		return err
	}
	if from == nic {
		return m.add(has.routes, nic, nic)
	}
	if err := errors.Join(loosen(from.name), m.introduce(has.neighbours, nic)); err != nil {
		return err
	}
	return m.reroute(has.routes, from, nic)
}

// remains are what the NIC has to get back: what the bridge has or, if that is no
// more, what the journal noted, which was the NIC's own.
func (m mover) remains(step host.Step) (has goods, from, nic device, err error) {
	nic, bridge, err := m.both(step.Uplink)
	if err != nil || !nic.there() {
		return has, bridge, nic, err
	}
	if bridge.there() {
		has, err = m.goods(bridge)
		return has, bridge, nic, err
	}
	has, _, err = m.options.recall(step)
	return has, nic, nic, err
}

// undoCopy takes from the bridge what the NIC has, once it hears by itself again.
// What came on the bridge in the meantime is given to the NIC before.
func (m mover) undoCopy(ctx context.Context, u host.Uplink) error {
	nic, bridge, err := m.both(u)
	switch {
	case err != nil:
		return err
	case !nic.there():
		return m.detours.close(u.Provider)
	case !bridge.there():
		return errors.Join(m.detours.close(u.Provider), m.forgetBridge(u))
	}
	if err := m.wardrobe.awaitPort(ctx, u, false); err != nil {
		return err
	}
	if err := m.detours.close(u.Provider); err != nil {
		return err
	}
	has, err := m.goods(bridge)
	if err != nil {
		return err
	}
	if err := m.hand(has, bridge, nic); err != nil {
		return err
	}
	if err := m.strip(has, bridge); err != nil {
		return err
	}
	return m.announce(has.addresses, nic)
}

// forgetBridge deletes the rules of a bridge that is no more. One that had the
// NIC's name leaves that to it.
func (m mover) forgetBridge(u host.Uplink) error {
	if u.Exchange {
		return nil
	}
	return m.forget(u.Bridge)
}

// goodsOr are what the NIC has. Where both it and the bridge lack what the NIC had
// before, the bridge was lost with it, and they are what the journal noted.
func (m mover) goodsOr(step host.Step, nic, bridge device, lack func(goods) bool) (goods, error) {
	here, err := m.goods(nic)
	if err != nil || !lack(here) {
		return here, err
	}
	there, err := m.goods(bridge)
	if err != nil || !lack(there) {
		return here, err
	}
	had, _, err := m.options.recall(step)
	if err != nil || lack(had) {
		return here, err
	}
	return had, nil
}
