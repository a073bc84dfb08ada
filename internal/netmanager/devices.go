package netmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"hawser/internal/host"
)

// NetworkManager's names on the bus (NetworkManager's D-Bus API, version 1.52).
const (
	service         = "org.freedesktop.NetworkManager"
	deviceInterface = service + ".Device"
	activeInterface = service + ".Connection.Active"
	managedObjects  = "org.freedesktop.DBus.ObjectManager.GetManagedObjects"
	setProperty     = "org.freedesktop.DBus.Properties.Set"
	errorNoService  = "org.freedesktop.DBus.Error.ServiceUnknown"
	errorNoOwner    = "org.freedesktop.DBus.Error.NameHasNoOwner"
	errorNoReply    = "org.freedesktop.DBus.Error.NoReply" // it went while it was asked
	noPath          = dbus.ObjectPath("/")
	root            = dbus.ObjectPath("/org/freedesktop")
	stateUnmanaged  = 10 // NM_DEVICE_STATE_UNMANAGED; below it the device is unknown
	kindPrefix      = deviceInterface + "."
)

// states are NMDeviceState's words.
var states = map[uint32]string{
	0: "unknown", 10: "unmanaged", 20: "unavailable", 30: "disconnected", 40: "prepare", 50: "config",
	60: "need-auth", 70: "ip-config", 80: "ip-check", 90: "secondaries", 100: "activated",
	110: "deactivating", 120: "failed",
}

// objects is all that NetworkManager tells of itself: the properties of each
// interface of each object.
type objects map[dbus.ObjectPath]map[string]map[string]dbus.Variant

// Devices lists what NetworkManager holds of each device, sorted by name. On a
// machine without NetworkManager there is none, and no error.
func (c *Client) Devices(ctx context.Context) ([]host.ManagedDevice, error) {
	_, all, err := c.ask(ctx)
	if err != nil {
		return nil, err
	}
	return all.devices(), nil
}

// ask reads everything at once, so that what is told belongs together.
func (c *Client) ask(ctx context.Context) (*dbus.Conn, objects, error) {
	conn, err := c.connect(ctx)
	if conn == nil || err != nil {
		return nil, nil, err
	}
	var all objects
	// NetworkManager must not be started by our asking for it.
	err = conn.Object(service, root).CallWithContext(ctx, managedObjects, dbus.FlagNoAutoStart).Store(&all)
	if isAbsent(err) {
		return conn, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask NetworkManager for its devices: %w", err)
	}
	return conn, all, nil
}

func isAbsent(err error) bool {
	var refused dbus.Error
	return errors.As(err, &refused) && slices.Contains([]string{errorNoService, errorNoOwner, errorNoReply}, refused.Name)
}

func (o objects) devices() []host.ManagedDevice {
	var out []host.ManagedDevice
	for _, interfaces := range o {
		if _, ok := interfaces[deviceInterface]; ok {
			out = append(out, o.device(interfaces))
		}
	}
	slices.SortFunc(out, func(a, b host.ManagedDevice) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (o objects) device(interfaces map[string]map[string]dbus.Variant) host.ManagedDevice {
	device := interfaces[deviceInterface]
	state := value[uint32](device, "State")
	active := o[value[dbus.ObjectPath](device, "ActiveConnection")][activeInterface]
	return host.ManagedDevice{
		Name:       value[string](device, "Interface"),
		Kind:       kindOf(interfaces),
		Managed:    state > stateUnmanaged,
		State:      cmp.Or(states[state], "unknown"),
		Profile:    value[string](active, "Id"),
		Controller: o.controller(active),
	}
}

// controller names the device that another is a port of. The property's old
// name is Master, its name since NetworkManager 1.44 Controller.
func (o objects) controller(active map[string]dbus.Variant) string {
	path := value[dbus.ObjectPath](active, "Controller")
	if path == "" || path == noPath {
		path = value[dbus.ObjectPath](active, "Master")
	}
	return value[string](o[path][deviceInterface], "Interface")
}

// kindOf is the word at the end of the interface that only this kind of device
// has: org.freedesktop.NetworkManager.Device.Team is a "team". A veth is Wired
// and Veth: it is what more than being wired it has.
func kindOf(interfaces map[string]map[string]dbus.Variant) string {
	kind := "unknown"
	for name := range interfaces {
		word, ok := strings.CutPrefix(name, kindPrefix)
		switch {
		case !ok || word == "Statistics":
		case word != "Wired":
			return strings.ToLower(word)
		default:
			kind = "ethernet"
		}
	}
	return kind
}

// value reads a property; one that is missing, or of another type, is zero.
func value[T any](properties map[string]dbus.Variant, name string) T {
	read, _ := properties[name].Value().(T)
	return read
}
