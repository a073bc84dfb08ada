package netmanager

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"

	"hawser/internal/host"
)

// What NetworkManager says of a device on which nothing is applied, and to who has
// read what was applied before somebody changed it.
const (
	errorNotActive = deviceInterface + ".NotActive"
	errorOutdated  = deviceInterface + ".VersionIdMismatch"
)

// spare is NM_DEVICE_REAPPLY_FLAGS_PRESERVE_EXTERNAL_IP: what others have put on the
// device stays.
const spare = uint32(1)

// attempts bounds how often a device is looked at again because somebody has changed
// it meanwhile.
const attempts = 5

// stepTimeout bounds one step while NetworkManager does not answer.
const stepTimeout = 10 * time.Second

// Uplinks does the step of a plan that NetworkManager takes part in: ActionQuiet. It
// changes what is applied to the NIC and nothing else. The profile stays as it is
// stored, and is what the way back leads to; whoever activates it anew, such as
// NetworkManager when it is started again, has the step done again. That is told by
// what is applied, so that nothing has to be remembered.
type Uplinks struct{ *Client }

// Before has nothing to remember: the profile is stored.
func (u Uplinks) Before(context.Context, host.Step) (string, error) { return "", nil }

// Do has NetworkManager take from the NIC what it has put there, and go on managing
// it. Where it is not there, or has nothing on the NIC, nothing is done: it tells when
// that changes.
func (u Uplinks) Do(ctx context.Context, step host.Step) error {
	if step.Action != host.ActionQuiet {
		return fmt.Errorf("the edge to NetworkManager does not do %q", step.Action)
	}
	return u.reapply(ctx, step.Uplink.NIC, func(applied, _ settings) settings { return applied.quiet() })
}

// Undo has NetworkManager configure the NIC by its profile.
func (u Uplinks) Undo(ctx context.Context, step host.Step) error {
	if step.Action != host.ActionQuiet {
		return fmt.Errorf("the edge to NetworkManager does not undo %q", step.Action)
	}
	return u.reapply(ctx, step.Uplink.NIC, settings.addressedAs)
}

// reapply changes what is applied to a device, if that differs from what is wanted.
func (u Uplinks) reapply(ctx context.Context, device string, wanted func(applied, stored settings) settings) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	err := u.reapplyOnce(ctx, device, wanted)
	for i := 1; i < attempts && isError(err, errorOutdated); i++ {
		err = u.reapplyOnce(ctx, device, wanted)
	}
	if err != nil {
		return fmt.Errorf("have NetworkManager configure %s otherwise: %w", device, err)
	}
	return nil
}

func (u Uplinks) reapplyOnce(ctx context.Context, device string, wanted func(applied, stored settings) settings) error {
	conn, all, err := u.ask(ctx)
	if err != nil {
		return err
	}
	at, active := all.on(device)
	if active == nil || value[uint32](active, "StateFlags")&flagFound != 0 {
		return nil
	}
	var applied settings
	var version uint64
	err = conn.Object(service, at).CallWithContext(ctx, deviceInterface+".GetAppliedConnection", dbus.FlagNoAutoStart, uint32(0)).Store(&applied, &version)
	if err != nil {
		return unlessGone(err)
	}
	stored, err := stored(ctx, conn, active)
	if err != nil || stored == nil {
		return err
	}
	next := wanted(applied, stored)
	if next.method("ipv4") == applied.method("ipv4") && next.method("ipv6") == applied.method("ipv6") {
		return nil
	}
	return unlessGone(conn.Object(service, at).CallWithContext(ctx, deviceInterface+".Reapply", dbus.FlagNoAutoStart, next.plain(), version, spare).Err)
}

// unlessGone is no error where the device, its connection or NetworkManager is gone.
func unlessGone(err error) error {
	if isAbsent(err) || isError(err, errorNotActive, errorNoObject, errorNoMethod) {
		return nil
	}
	return err
}

// keptWithoutAddresses are settings of IP that are not about the device's addresses:
// rules of routing are the host's.
var keptWithoutAddresses = []string{"routing-rules", "replace-local-rule", "forwarding"}

// quiet are settings without addresses. IPv6 is left to the kernel ("ignore") and not
// switched off: addresses could not be brought back to the device then.
func (s settings) quiet() settings {
	out := maps.Clone(s)
	if s.method("ipv4") != "disabled" {
		out["ipv4"] = withoutAddresses(s["ipv4"], "disabled")
	}
	if !slices.Contains([]string{"disabled", "ignore"}, s.method("ipv6")) {
		out["ipv6"] = withoutAddresses(s["ipv6"], "ignore")
	}
	return out
}

func withoutAddresses(family map[string]dbus.Variant, method string) map[string]dbus.Variant {
	out := map[string]dbus.Variant{"method": dbus.MakeVariant(method)}
	for _, key := range keptWithoutAddresses {
		if kept, found := family[key]; found {
			out[key] = kept
		}
	}
	return out
}

// addressedAs are settings with the addresses, and all else of IP, of others. What
// else somebody has changed in a profile that is in use is not applied by this.
func (s settings) addressedAs(others settings) settings {
	out := maps.Clone(s)
	out["ipv4"], out["ipv6"] = others["ipv4"], others["ipv6"]
	return out
}

// plain are settings without the two properties of old that repeat address-data and
// route-data in another form, which NetworkManager would look at first.
func (s settings) plain() settings {
	out := maps.Clone(s)
	for _, family := range []string{"ipv4", "ipv6"} {
		out[family] = maps.Clone(s[family])
		delete(out[family], "addresses")
		delete(out[family], "routes")
	}
	return out
}
