/* SPDX-License-Identifier: GPL-2.0 */
/* The rules in a trial's namespace. */
#ifndef CHECK_RULE_H
#define CHECK_RULE_H

/* They need no program of the machine. Each ends this program if the kernel rejects the rules. */
struct rules {
	/*
	 * Queues packets that leave this namespace, at POST_ROUTING before
	 * conntrack's confirm. The rule also matches conntrack's state, which
	 * makes newer kernels enable conntrack in this namespace.
	 */
	void (*queue)(void);
	/* Maps the two queries of a lookup to two servers, by DNAT at OUTPUT, until their flow is confirmed. */
	void (*map_apart)(void);
};

extern const struct rules rules_by_nftables;
extern const struct rules rules_by_iptables;

#endif
