/* The shared uplink: a learning switch with the ports wire, host and OVS. See
 * the package comment of internal/uplink and design/uplinks.md.
 *
 * A frame that goes on through another program carries settings.mark until that
 * program has taken it away again, so that it is bridged once and nobody else
 * sees the mark. Programs that let a frame pass say TC_ACT_UNSPEC: whatever else
 * hangs there has its turn. */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "maps.h"
#include "frame.h"
#include "guard.h"

#define PASS TC_ACT_UNSPEC
#define DROP TC_ACT_SHOT

static __always_inline void count(struct __sk_buff *skb, __u32 what)
{
	struct tally *t = bpf_map_lookup_elem(&tallies, &what);

	if (!t)
		return;
	t->frames++;
	t->bytes += skb->len;
}

static __always_inline struct settings *get_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline bool is_fresh(const __u64 *heard, __u64 now) { return heard && now - *heard < AGEING; }

static __always_inline bool heard_on(void *map, const struct station *s, __u64 now)
{
	return is_fresh(bpf_map_lookup_elem(map, s), now);
}

static __always_inline void hear(void *map, const struct station *s, __u64 now)
{
	__u64 *heard = bpf_map_lookup_elem(map, s);

	if (!heard)
		bpf_map_update_elem(map, s, &now, BPF_ANY);
	else if (now - *heard > ACCURACY)
		*heard = now;
}

static __always_inline __u32 role_of(const struct station *s)
{
	__u32 *role = bpf_map_lookup_elem(&known, s);

	return role ? *role : 0;
}

/* evidence is every port that something says a station is behind. The host's own
 * addresses are nowhere else, and its next hops never behind OVS. */
static __always_inline __u32 evidence(const struct settings *conf, const struct station *s, __u64 now)
{
	__u32 role = role_of(s), ports = 0;

	if (role & IS_HOST)
		return HOST;
	if (heard_on(&heard_wire, s, now))
		ports |= WIRE;
	if (heard_on(&heard_host, s, now))
		ports |= HOST;
	if (role & IS_HOP)
		return ports;
	if (bpf_map_lookup_elem(&owned, s) || ((conf->flags & LEARN) && heard_on(&heard_ovs, s, now)))
		ports |= OVS;
	return ports;
}

/* route says at which ports a frame leaves: those that its destination is behind,
 * or, if that is none but where it came from, all others. So an entry that is
 * missing or wrong makes copies. */
static __always_inline __u32 route(struct __sk_buff *skb, const struct settings *conf, const struct frame *f, __u32 in,
				   __u64 now)
{
	__u32 out;

	if (is_group(&f->to))
		return ALL & ~in;
	out = evidence(conf, &f->to, now) & ~in;
	if (out)
		return out;
	count(skb, FLOODED);
	return ALL & ~in;
}

/* clone sends a copy on. The frame itself keeps what it had. */
static __always_inline void clone(struct __sk_buff *skb, __u32 device, __u32 mark, __u64 flags)
{
	__u32 before = skb->mark;

	skb->mark = mark;
	if (bpf_clone_redirect(skb, device, flags) < 0)
		count(skb, FAILED);
	skb->mark = before;
}

static __always_inline int move(struct __sk_buff *skb, __u32 device, __u32 mark, __u64 flags)
{
	skb->mark = mark;
	return bpf_redirect(device, flags);
}

/* is_reflection tells a frame of a station behind OVS that comes back on the
 * wire, as from a switch that does not know our bond as one. What has not been
 * heard from OVS for long can come back no more: it has moved. */
static __always_inline bool is_reflection(const struct settings *conf, const struct station *from, __u64 now)
{
	if (role_of(from) & (IS_HOST | IS_HOP))
		return false;
	return heard_on(&owned, from, now) || ((conf->flags & LEARN) && heard_on(&heard_ovs, from, now));
}

/* to_host_and_ovs ends a frame of the wire. */
static __always_inline int to_host_and_ovs(struct __sk_buff *skb, const struct settings *conf, __u32 out)
{
	if (out & OVS)
		count(skb, WIRE_TO_OVS);
	if (!(out & HOST))
		return out ? move(skb, conf->tap, 0, 0) : PASS;
	count(skb, WIRE_TO_HOST);
	if (out & OVS)
		clone(skb, conf->tap, 0, 0);
	return PASS;
}

SEC("tc")
int wire_in(struct __sk_buff *skb)
{
	struct settings *conf = get_settings();
	__u64 now = bpf_ktime_get_ns();
	struct frame f;
	__u32 out;

	if (!conf)
		return PASS;
	if (skb->mark == conf->mark) {
		skb->mark = 0;
		return PASS;
	}
	if (read_frame(skb, &f) < 0 || is_group(&f.from))
		return PASS;
	if (is_reflection(conf, &f.from, now)) {
		count(skb, REFLECTED);
		return to_host_and_ovs(skb, conf, HOST);
	}
	hear(&heard_wire, &f.from, now);
	if (is_reserved(&f.to))
		return to_host_and_ovs(skb, conf, conf->flags & RSTP ? HOST | OVS : HOST);
	out = route(skb, conf, &f, WIRE, now);
	return to_host_and_ovs(skb, conf, out);
}

SEC("tc")
int host_out(struct __sk_buff *skb)
{
	struct settings *conf = get_settings();
	__u64 now = bpf_ktime_get_ns();
	struct frame f;
	__u32 out = WIRE;

	if (!conf)
		return PASS;
	if (skb->mark == conf->mark) {
		skb->mark = 0;
		return PASS;
	}
	if (read_frame(skb, &f) < 0)
		return PASS;
	if (!is_group(&f.from))
		hear(&heard_host, &f.from, now);
	if (!is_reserved(&f.to))
		out = route(skb, conf, &f, HOST, now);
	if (out & OVS)
		count(skb, HOST_TO_OVS);
	if (!(out & WIRE))
		return move(skb, conf->tap, 0, 0);
	count(skb, HOST_TO_WIRE);
	if (out & OVS)
		clone(skb, conf->tap, 0, 0);
	return PASS;
}

/* admits books the source of a frame of OVS, and says whether the frame may go
 * on. What is somebody else's is never believed to be behind OVS. Frames that
 * would also have the switches around us believe it, and cut the host off, end
 * here: those with the host's own address, and those with its next hop's while
 * that is heard on the wire. */
static __always_inline bool admits(struct __sk_buff *skb, const struct settings *conf, const struct station *from,
				   __u64 now)
{
	__u64 *mine = bpf_map_lookup_elem(&owned, from);
	bool wire = heard_on(&heard_wire, from, now);
	bool elsewhere = wire || heard_on(&heard_host, from, now);
	__u32 role = role_of(from);

	if (role || (elsewhere && !mine)) {
		count(skb, SPOOFED);
		if (conf->flags & TRUST_PODS)
			return true;
		return !(role & IS_HOST) && !((role & IS_HOP) && wire && !mine);
	}
	if (mine) {
		if (now - *mine > ACCURACY)
			*mine = now;
	} else if (conf->flags & LEARN) {
		hear(&heard_ovs, from, now);
	}
	return true;
}

SEC("tc")
int ovs_in(struct __sk_buff *skb)
{
	struct settings *conf = get_settings();
	__u64 now = bpf_ktime_get_ns();
	struct frame f;
	__u32 out;

	if (!conf || read_frame(skb, &f) < 0 || is_group(&f.from))
		return DROP;
	if (is_reserved(&f.to)) {
		if (!(conf->flags & RSTP))
			return DROP;
		count(skb, OVS_TO_WIRE);
		return move(skb, conf->nic, conf->mark, 0);
	}
	if (!admits(skb, conf, &f.from, now))
		return DROP;
	out = route(skb, conf, &f, OVS, now);
	if ((out & HOST) && !(conf->flags & TRUST_PODS) && configures_host(skb, &f)) {
		count(skb, GUARDED);
		out &= ~HOST;
		if (is_answer_to_host(skb, &f))
			return DROP;
	}
	if (out & HOST)
		count(skb, OVS_TO_HOST);
	if (!(out & WIRE))
		return out ? move(skb, conf->nic, conf->mark, BPF_F_INGRESS) : DROP;
	count(skb, OVS_TO_WIRE);
	if (out & HOST)
		clone(skb, conf->nic, conf->mark, BPF_F_INGRESS);
	return move(skb, conf->nic, conf->mark, 0);
}

char gpl[] SEC("license") = "GPL";
