// SPDX-License-Identifier: GPL-2.0
/*
 * nfqdns - sends DNS packets over IPv4 and IPv6 to NFQUEUE at the start of
 * POST_ROUTING
 *
 * It represents a security product that inspects every DNS query in user space.
 * At this hook a packet has its conntrack (created at LOCAL_OUT), but the
 * conntrack is not in the table yet: it is confirmed at the end of the same
 * hook point. While the packet waits, a second one of the same flow finds no
 * entry and gets a second conntrack.
 *
 * Each queued packet is logged as one line in the kernel's log. Two lines of
 * one flow with different "ct" mean that the race is armed.
 */
#define pr_fmt(fmt) "[nfqdns] " fmt

#include <linux/module.h>
#include <linux/kernel.h>
#include <linux/hrtimer.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/ktime.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/ip.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_queue.h>
#include <asm/div64.h>

#include "compat.h"

static unsigned short queue;
module_param(queue, ushort, 0644);
MODULE_PARM_DESC(queue, "number of the NFQUEUE that DNS packets go to (default 0)");

static unsigned short port = 53;
module_param(port, ushort, 0644);
MODULE_PARM_DESC(port, "UDP destination port of DNS (default 53)");

/* Structure offsets of this kernel, for the kprobe events of guest/trace.sh. */
static unsigned short ct_offset = offsetof(struct sk_buff, NFQDNS_CT);
module_param(ct_offset, ushort, 0444);
MODULE_PARM_DESC(ct_offset, "offset of the conntrack's address in struct sk_buff (read only)");

static unsigned short data_offset = offsetof(struct sk_buff, data);
module_param(data_offset, ushort, 0444);
MODULE_PARM_DESC(data_offset, "offset of the data's address in struct sk_buff (read only)");

static unsigned short entry_offset = offsetof(struct nf_queue_entry, skb);
module_param(entry_offset, ushort, 0444);
MODULE_PARM_DESC(entry_offset, "offset of the packet's address in struct nf_queue_entry (read only)");

static void log_packet(const struct sk_buff *skb, const char *flow,
		       unsigned int payload)
{
	enum ip_conntrack_info ctinfo;
	const struct nf_conn *ct = nf_ct_get(skb, &ctinfo);
	const __be16 *id;
	char tid[sizeof("65535")] = "-";
	__be16 buffer;
	/* CLOCK_MONOTONIC: the log's own clock drifts from it. */
	u64 s = ktime_to_ns(ktime_get());
	u32 ns = do_div(s, NSEC_PER_SEC);

	/* A DNS message begins with its id (RFC 1035, 4.1.1). */
	id = skb_header_pointer(skb, payload, sizeof(buffer), &buffer);
	if (id)
		snprintf(tid, sizeof(tid), "%u", ntohs(*id));

	/*
	 * Addresses as numbers: %p is hashed from 4.15 on, and before it prints
	 * "(null)" for a packet without a conntrack.
	 */
	pr_info("%s skb %016lx ct %016lx tid %s at %llu.%09u\n",
		flow, (unsigned long)skb, (unsigned long)ct, tid,
		(unsigned long long)s, ns);
}

/* The hook is in every namespace: without a listener packets pass. */
static unsigned int queue_packet(void)
{
	return NF_QUEUE_NR(READ_ONCE(queue)) | NF_VERDICT_FLAG_QUEUE_BYPASS;
}

static NFQDNS_HOOK(nfqdns_hook)
{
	const struct iphdr *ip;
	const struct udphdr *udp;
	struct iphdr ip_buffer;
	struct udphdr udp_buffer;
	char flow[sizeof("255.255.255.255:65535->255.255.255.255:65535")];
	unsigned int offset = skb_network_offset(skb);

	ip = skb_header_pointer(skb, offset, sizeof(ip_buffer), &ip_buffer);
	if (!ip || ip->ihl < 5 || ip->protocol != IPPROTO_UDP)
		return NF_ACCEPT;

	/* Fragments pass: only the first one has ports. */
	if (ip->frag_off & htons(IP_MF | IP_OFFSET))
		return NF_ACCEPT;

	offset += ip->ihl * 4;
	udp = skb_header_pointer(skb, offset, sizeof(udp_buffer), &udp_buffer);
	if (!udp || ntohs(udp->dest) != READ_ONCE(port))
		return NF_ACCEPT;

	snprintf(flow, sizeof(flow), "%pI4:%u->%pI4:%u", &ip->saddr,
		 ntohs(udp->source), &ip->daddr, ntohs(udp->dest));
	log_packet(skb, flow, offset + sizeof(*udp));
	return queue_packet();
}

/* A packet with extension headers, such as a fragment's, passes. */
static NFQDNS_HOOK(nfqdns_hook6)
{
	const struct ipv6hdr *ip;
	const struct udphdr *udp;
	struct ipv6hdr ip_buffer;
	struct udphdr udp_buffer;
	/* %pI6c needs at most as much as INET6_ADDRSTRLEN. */
	char flow[2 * (sizeof("[]:65535") + 46) + sizeof("->")];
	unsigned int offset = skb_network_offset(skb);

	ip = skb_header_pointer(skb, offset, sizeof(ip_buffer), &ip_buffer);
	if (!ip || ip->nexthdr != IPPROTO_UDP)
		return NF_ACCEPT;

	offset += sizeof(*ip);
	udp = skb_header_pointer(skb, offset, sizeof(udp_buffer), &udp_buffer);
	if (!udp || ntohs(udp->dest) != READ_ONCE(port))
		return NF_ACCEPT;

	snprintf(flow, sizeof(flow), "[%pI6c]:%u->[%pI6c]:%u", &ip->saddr,
		 ntohs(udp->source), &ip->daddr, ntohs(udp->dest));
	log_packet(skb, flow, offset + sizeof(*udp));
	return queue_packet();
}

/* A mismatch may be only a compiler warning, and the loader does not check it: see compat.h. */
_Static_assert(__builtin_types_compatible_p(typeof(nfqdns_hook), nf_hookfn) &&
	       __builtin_types_compatible_p(typeof(nfqdns_hook6), nf_hookfn),
	       "the hook function does not fit this kernel");

static struct nf_hook_ops nfqdns_hooks[] = {
	{
		.hook = nfqdns_hook,
		NFQDNS_OWNER
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_POST_ROUTING,
		.priority = NF_IP_PRI_FIRST,
	},
	{
		.hook = nfqdns_hook6,
		NFQDNS_OWNER
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_POST_ROUTING,
		.priority = NF_IP6_PRI_FIRST,
	},
};

static int __init nfqdns_init(void)
{
	int err = nfqdns_register(nfqdns_hooks, ARRAY_SIZE(nfqdns_hooks));

	if (err)
		pr_err("the hook could not be registered: error %d\n", err);
	else
		pr_info("loaded: UDP to port %u goes to queue %u\n", port, queue);
	return err;
}

static void __exit nfqdns_exit(void)
{
	nfqdns_unregister(nfqdns_hooks, ARRAY_SIZE(nfqdns_hooks));
	pr_info("unloaded\n");
}

module_init(nfqdns_init);
module_exit(nfqdns_exit);

MODULE_DESCRIPTION("Sends DNS packets to NFQUEUE at POST_ROUTING and logs their conntracks");
MODULE_LICENSE("GPL");
