package cluster

import (
	"net/netip"
	"strconv"
	"strings"
)

// The networks of every sandbox. They lie in namespaces, so that any number of
// sandboxes and whatever the host is connected to may use the same.
var (
	lan4     = netip.MustParsePrefix("172.30.0.0/24")
	lan6     = netip.MustParsePrefix("fd00:30::/64")
	outside4 = netip.MustParsePrefix("198.51.100.0/24")
	outside6 = netip.MustParsePrefix("2001:db8:51::/64")
)

const (
	pods4, pods6         = "10.16.0.0/16", "fd00:10:16::/112"
	services4, services6 = "10.96.0.0/16", "fd00:10:96::/112"
	api4, api6           = "10.96.0.1", "fd00:10:96::1"
	dns4, dns6           = "10.96.0.10", "fd00:10:96::a"
)

// pick returns what belongs to the cluster's families, IPv4 first.
func pick[T any](o Options, four, six T) []T {
	switch o.Family {
	case "ipv4":
		return []T{four}
	case "ipv6":
		return []T{six}
	}
	return []T{four, six}
}

func joined(o Options, four, six string) string { return strings.Join(pick(o, four, six), ",") }

// at is the n-th address of a network, with the network's length.
func at(network netip.Prefix, n int) netip.Prefix {
	bytes := network.Addr().AsSlice()
	bytes[len(bytes)-2] += byte(n >> 8)
	bytes[len(bytes)-1] += byte(n)
	address, _ := netip.AddrFromSlice(bytes) // it has the length of an address
	return netip.PrefixFrom(address, network.Bits())
}

// number is a machine's last digits in the LAN: cp 2, n1 11, n2 12 and so on.
func number(machine string) int {
	if machine == controlPlane {
		return 2
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(machine, "n"))
	return 10 + n
}

// Addresses are a machine's, with the length of its network. IPv6 addresses
// spell the same decimal digits, as people expect: n1 is .11 and ::11.
func (o Options) addresses(machine string) []netip.Prefix {
	if machine == outside {
		return pick(o, at(outside4, 2), at(outside6, 2))
	}
	return pick(o, at(lan4, number(machine)), decimal(lan6, number(machine)))
}

// decimal writes n into the last group of an IPv6 network so that it reads as
// the decimal number.
func decimal(network netip.Prefix, n int) netip.Prefix {
	digits, _ := strconv.ParseUint(strconv.Itoa(n), 16, 16)
	return at(network, int(digits))
}

func (o Options) gateways(machine string) []netip.Addr {
	if machine == outside {
		return pick(o, at(outside4, 1).Addr(), at(outside6, 1).Addr())
	}
	return pick(o, at(lan4, 1).Addr(), at(lan6, 1).Addr())
}

// plain are a machine's addresses without lengths.
func (o Options) plain(machine string) []string {
	var addresses []string
	for _, address := range o.addresses(machine) {
		addresses = append(addresses, address.Addr().String())
	}
	return addresses
}

// server is the API server's URL, as machines reach it.
func (o Options) server() string {
	return "https://" + netip.AddrPortFrom(o.addresses(controlPlane)[0].Addr(), 6443).String()
}
