package netmanager

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/godbus/dbus/v5"

	"hawser/internal/host"
)

// More of NetworkManager's names.
const (
	managerPath         = dbus.ObjectPath("/org/freedesktop/NetworkManager")
	resolverPath        = managerPath + "/DnsManager"
	resolverInterface   = service + ".DnsManager"
	connectionInterface = service + ".Settings.Connection"
	errorNoObject       = "org.freedesktop.DBus.Error.UnknownObject"
	errorNoMethod       = "org.freedesktop.DBus.Error.UnknownMethod" // of an object that is gone, too
	flagFound           = 0x80                                       // NM_ACTIVATION_STATE_FLAG_EXTERNAL
)

// settings are a connection's: the properties of each of its parts
// (nm-settings-dbus(5)).
type settings map[string]map[string]dbus.Variant

// Profile tells what NetworkManager keeps to on a device. Where it has no such device,
// or no connection is active there, that has no name.
func (c *Client) Profile(ctx context.Context, device string) (host.Profile, error) {
	conn, all, err := c.ask(ctx)
	if err != nil {
		return host.Profile{}, err
	}
	_, active := all.on(device)
	if active == nil {
		return host.Profile{}, nil
	}
	stored, err := stored(ctx, conn, active)
	if err != nil {
		return host.Profile{}, err
	}
	return all.profile(active, stored), nil
}

// on finds a device, and the properties of the connection that is active there: nil
// where none is.
func (o objects) on(name string) (at dbus.ObjectPath, active map[string]dbus.Variant) {
	for path, interfaces := range o {
		device, ok := interfaces[deviceInterface]
		if ok && value[string](device, "Interface") == name && value[uint32](device, "State") > stateUnmanaged {
			return path, o[value[dbus.ObjectPath](device, "ActiveConnection")][activeInterface]
		}
	}
	return "", nil
}

// stored are the settings that NetworkManager has of a connection on the disk, or in
// memory if it is on none. One that is gone has none.
func stored(ctx context.Context, conn *dbus.Conn, active map[string]dbus.Variant) (out settings, err error) {
	at := value[dbus.ObjectPath](active, "Connection")
	err = conn.Object(service, at).CallWithContext(ctx, connectionInterface+".GetSettings", dbus.FlagNoAutoStart).Store(&out)
	if isAbsent(err) || isError(err, errorNoObject, errorNoMethod) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read NetworkManager's connection %s: %w", value[string](active, "Id"), err)
	}
	return out, nil
}

func isError(err error, names ...string) bool {
	var refused dbus.Error
	return errors.As(err, &refused) && slices.Contains(names, refused.Name)
}

func (o objects) profile(active map[string]dbus.Variant, stored settings) host.Profile {
	_, spares := o[managerPath][service]["VersionInfo"] // there since 1.42
	return host.Profile{
		Name:     value[string](active, "Id"),
		Found:    value[uint32](active, "StateFlags")&flagFound != 0,
		IPv4:     stored.method("ipv4"),
		IPv6:     stored.method("ipv6"),
		Resolves: stored.names() && !o.resolvesAnyway(),
		Probes:   stored["ipv4"]["dad-timeout"].Value() != int32(0),
		Zone:     value[string](stored["connection"], "zone"),
		Spares:   spares,
	}
}

func (s settings) method(family string) string { return value[string](s[family], "method") }

// names tells whether name servers or search domains are among the settings.
func (s settings) names() bool {
	for _, family := range []string{"ipv4", "ipv6"} {
		for _, key := range []string{"dns", "dns-data", "dns-search"} {
			list := reflect.ValueOf(s[family][key].Value())
			if list.Kind() == reflect.Slice && list.Len() > 0 {
				return true
			}
		}
	}
	return false
}

// resolvesAnyway tells whether the host finds its name servers without those of
// connections: NetworkManager leaves that to others, or has servers of its own for all
// domains, which go before those of connections. What it tells systemd-resolved is of
// each device.
func (o objects) resolvesAnyway() bool {
	switch value[string](o[resolverPath][resolverInterface], "Mode") {
	case "none":
		return true
	case "default", "dnsmasq":
		global := value[map[string]dbus.Variant](o[managerPath][service], "GlobalDnsConfiguration")
		domains := value[map[string]dbus.Variant](global, "domains")
		all := value[map[string]dbus.Variant](domains, "*")
		return len(value[[]string](all, "servers")) > 0
	}
	return false
}
