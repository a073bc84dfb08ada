/* What the programs of one uplink share. Go's side is maps.go: a change here
 * has to be made there too. */
#pragma once

/* Stations are forgotten 30 s after they were last heard, as in the switches
 * around us that count. */
#define AGEING (30 * 1000000000ULL)
/* A time is written down again after a second only: writing costs all CPUs. */
#define ACCURACY (1 * 1000000000ULL)

/* Ports of the switch. */
#define WIRE 1
#define HOST 2
#define OVS 4
#define ALL (WIRE | HOST | OVS)

/* Flags of settings. */
#define TRUST_PODS 1 /* no guard, and no frame is refused for its source */
#define RSTP 2       /* 01:80:c2:00:00:0x passes between wire and OVS */
#define LEARN 4      /* there are ports with layer2_forward */

/* What the agent says of a station that is not behind OVS. */
#define IS_HOST 1 /* an address of the host's own */
#define IS_HOP 2  /* a next hop of the host */

struct settings {
	__u32 nic;  /* index of the NIC */
	__u32 tap;  /* index of the pair's end through which frames reach OVS */
	__u32 mark; /* of skb->mark, "bridged already" */
	__u32 flags;
	__u8 source[32]; /* whose programs these are; for the agent alone */
};

struct station {
	__u16 vlan; /* 0 is untagged */
	__u8 mac[6];
};

struct tally {
	__u64 frames;
	__u64 bytes;
};

/* Counters, in the order of Go's counters.go. */
enum {
	WIRE_TO_HOST, WIRE_TO_OVS,
	HOST_TO_WIRE, HOST_TO_OVS,
	OVS_TO_WIRE, OVS_TO_HOST,
	FLOODED, SPOOFED, REFLECTED, GUARDED, FAILED,
	TALLIES
};

#define STATIONS 16384

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TALLIES);
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

/* Stations by the side that they were heard from, and when. Each side has a map
 * of its own, so that no side can crowd out what was heard from another. */
#define HEARD(name)                                  \
	struct {                                     \
		__uint(type, BPF_MAP_TYPE_LRU_HASH); \
		__uint(max_entries, STATIONS);       \
		__type(key, struct station);         \
		__type(value, __u64);                \
	} name SEC(".maps")

HEARD(heard_wire);
HEARD(heard_host);
HEARD(heard_ovs);

/* Stations that the agent says are behind OVS, and when they were said or heard
 * last. What the agent says is never crowded out. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STATIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct station);
	__type(value, __u64);
} owned SEC(".maps");

/* Stations that the agent says are the host's own or its next hops. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct station);
	__type(value, __u32);
} known SEC(".maps");
