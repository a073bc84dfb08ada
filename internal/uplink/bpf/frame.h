/* What the switch reads of a frame. */
#pragma once

#define VLAN_MASK 0x0fff

struct vlan {
	__be16 tci;
	__be16 type;
};

struct frame {
	struct station from;
	struct station to;
	__u16 type;    /* EtherType behind all tags, in host order */
	__u16 payload; /* where that begins */
};

static __always_inline bool is_group(const struct station *s) { return s->mac[0] & 1; }

/* is_reserved tells 01:80:c2:00:00:00 to :0f, which no bridge passes on (IEEE
 * 802.1Q, 8.6.3): spanning tree, LACP, LLDP. */
static __always_inline bool is_reserved(const struct station *s)
{
	return s->mac[0] == 0x01 && s->mac[1] == 0x80 && s->mac[2] == 0xc2 &&
	       s->mac[3] == 0 && s->mac[4] == 0 && (s->mac[5] & 0xf0) == 0;
}

static __always_inline bool is_tag(__u16 type) { return type == ETH_P_8021Q || type == ETH_P_8021AD; }

/* read_frame finds the VLAN in the metadata, where the kernel keeps the outer
 * tag as a rule, or in the frame. One more tag than that is stepped over. */
static __always_inline int read_frame(struct __sk_buff *skb, struct frame *f)
{
	struct ethhdr header;
	struct vlan tag;
	bool tagged = skb->vlan_present;

	if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)) < 0)
		return -1;
	__builtin_memset(f, 0, sizeof(*f));
	__builtin_memcpy(f->to.mac, header.h_dest, ETH_ALEN);
	__builtin_memcpy(f->from.mac, header.h_source, ETH_ALEN);
	f->type = bpf_ntohs(header.h_proto);
	f->payload = sizeof(header);
	if (tagged)
		f->to.vlan = skb->vlan_tci & VLAN_MASK;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		if (!is_tag(f->type))
			break;
		if (bpf_skb_load_bytes(skb, f->payload, &tag, sizeof(tag)) < 0)
			return -1;
		if (!tagged)
			f->to.vlan = bpf_ntohs(tag.tci) & VLAN_MASK;
		tagged = true;
		f->type = bpf_ntohs(tag.type);
		f->payload += sizeof(tag);
	}
	f->from.vlan = f->to.vlan;
	return 0;
}
