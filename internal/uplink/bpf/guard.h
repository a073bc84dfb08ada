/* The guard keeps from the host what would let a pod configure it: router
 * advertisements (RFC 6105), redirects and the answers of DHCP servers. */
#pragma once

#define ICMP_REDIRECT 5
#define ND_ROUTER_ADVERTISEMENT 134
#define ND_REDIRECT 137
#define DHCP_CLIENT 68
#define DHCPV6_CLIENT 546

/* Headers that are stepped over in search of the upper layer. A host cannot be
 * reached with more, see RFC 7113 for why none is waved through. */
#define EXTENSIONS 8
#define FRAGMENT_OFFSET 0xfff8
#define IP_FRAGMENT_OFFSET 0x1fff

static __always_inline bool to_port(struct __sk_buff *skb, __u32 at, __u16 port)
{
	__be16 destination;

	return bpf_skb_load_bytes(skb, at + 2, &destination, sizeof(destination)) == 0 &&
	       destination == bpf_htons(port);
}

static __always_inline int first_byte(struct __sk_buff *skb, __u32 at)
{
	__u8 value;

	return bpf_skb_load_bytes(skb, at, &value, sizeof(value)) < 0 ? -1 : value;
}

/* configures4 leaves later fragments alone: without the first, which it finds,
 * nobody puts them together. */
static __always_inline bool configures4(struct __sk_buff *skb, __u32 at)
{
	struct iphdr ip;
	__u32 next;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0)
		return false;
	if (ip.frag_off & bpf_htons(IP_FRAGMENT_OFFSET))
		return false;
	next = at + ip.ihl * 4;
	if (ip.protocol == IPPROTO_ICMP)
		return first_byte(skb, next) == ICMP_REDIRECT;
	return ip.protocol == IPPROTO_UDP && to_port(skb, next, DHCP_CLIENT);
}

struct extension {
	__u8 next;
	__u8 length;
	__be16 offset; /* of a fragment */
};

static __always_inline bool upper6(struct __sk_buff *skb, __u8 protocol, __u32 at)
{
	int type;

	if (protocol == IPPROTO_UDP)
		return to_port(skb, at, DHCPV6_CLIENT);
	if (protocol != IPPROTO_ICMPV6)
		return false;
	type = first_byte(skb, at);
	return type == ND_ROUTER_ADVERTISEMENT || type == ND_REDIRECT;
}

static __always_inline bool configures6(struct __sk_buff *skb, __u32 at)
{
	struct ipv6hdr ip;
	struct extension e;
	__u8 protocol;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0)
		return false;
	protocol = ip.nexthdr;
	at += sizeof(ip);
#pragma unroll
	for (int i = 0; i < EXTENSIONS; i++) {
		if (protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ROUTING && protocol != IPPROTO_DSTOPTS &&
		    protocol != IPPROTO_FRAGMENT && protocol != IPPROTO_AH)
			return upper6(skb, protocol, at);
		if (bpf_skb_load_bytes(skb, at, &e, sizeof(e)) < 0)
			return true;
		if (protocol == IPPROTO_FRAGMENT && (e.offset & bpf_htons(FRAGMENT_OFFSET)))
			return false;
		if (protocol == IPPROTO_FRAGMENT)
			at += 8;
		else if (protocol == IPPROTO_AH)
			at += (e.length + 2) * 4;
		else
			at += (e.length + 1) * 8;
		protocol = e.next;
	}
	return true;
}

/* In the answer of a DHCP server: of UDP's header, and the client's address in
 * what is behind it (RFC 2131, figure 1). */
#define UDP_HEADER 8
#define DHCP_CHADDR 28

/* is_answer_to_host finds an answer to the host's own question. It is worth
 * nothing to anybody on the wire, but packet sockets of the host, as dhclient's,
 * also see what leaves there. */
static __always_inline bool is_answer_to_host(struct __sk_buff *skb, const struct frame *f)
{
	struct station client = { .vlan = f->from.vlan };
	struct iphdr ip;
	__u32 *role, next;

	if (f->type != ETH_P_IP || bpf_skb_load_bytes(skb, f->payload, &ip, sizeof(ip)) < 0)
		return false;
	next = f->payload + ip.ihl * 4;
	if (ip.protocol != IPPROTO_UDP || !to_port(skb, next, DHCP_CLIENT))
		return false;
	if (bpf_skb_load_bytes(skb, next + UDP_HEADER + DHCP_CHADDR, client.mac, sizeof(client.mac)) < 0)
		return false;
	role = bpf_map_lookup_elem(&known, &client);
	return role && (*role & IS_HOST);
}

static __always_inline bool configures_host(struct __sk_buff *skb, const struct frame *f)
{
	if (f->type == ETH_P_IP)
		return configures4(skb, f->payload);
	if (f->type == ETH_P_IPV6)
		return configures6(skb, f->payload);
	return false;
}
