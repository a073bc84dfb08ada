// Package discovery is the words in which machines ask each other who has an
// address: ARP (RFC 826) for IPv4 and neighbour discovery (RFC 4861) for IPv6, as
// whole Ethernet frames without a tag. It is pure; who sends them, and how long an
// answer is waited for, is the edges' affair.
package discovery
