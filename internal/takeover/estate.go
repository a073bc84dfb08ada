package takeover

import (
	"slices"

	"golang.org/x/sys/unix"
)

// estate is all that a device may have.
type estate struct {
	*door
	addressing
	routing
	ruling
	neighbourhood
}

// goods are all that a device has.
type goods struct{ addresses, routes, rules, neighbours []message }

// isNobody tells of a device that it has no address but its own link's.
func (g goods) isNobody() bool { return !slices.ContainsFunc(g.addresses, isGlobal) }

// isAstray tells of a device that nobody has set a route by it. What the kernel
// makes of addresses says nothing.
func (g goods) isAstray() bool {
	return !slices.ContainsFunc(g.routes, func(r message) bool { return r.header[routeProtocol] != unix.RTPROT_KERNEL })
}

func (e estate) goods(on device) (has goods, err error) {
	if !on.there() {
		return has, nil
	}
	if has.addresses, err = e.addresses(on); err != nil {
		return has, err
	}
	if has.routes, err = e.routes(on); err != nil {
		return has, err
	}
	if has.rules, err = e.rules(on.name); err != nil {
		return has, err
	}
	has.neighbours, err = e.neighbours(on)
	return has, err
}

// hand gives a device addresses, rules and neighbours of another.
func (e estate) hand(has goods, from, to device) error {
	if err := e.giveAll(has.addresses, from, to); err != nil {
		return err
	}
	if err := e.nameAlso(has.rules, from.name, to.name); err != nil {
		return err
	}
	return e.introduce(has.neighbours, to)
}

// strip takes addresses, rules and neighbours from a device.
func (e estate) strip(has goods, from device) error {
	if err := e.take(has.addresses); err != nil {
		return err
	}
	if err := e.disown(has.neighbours); err != nil {
		return err
	}
	return e.forget(from.name)
}
