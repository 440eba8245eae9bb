/* SPDX-License-Identifier: GPL-2.0 */
/* The rule that sends what leaves a namespace to its queue, at POST_ROUTING before conntrack confirms. */
#ifndef CHECK_RULE_H
#define CHECK_RULE_H

/*
 * Both ask about conntrack, too, which makes newer kernels track this
 * namespace. They need no program of the machine's. End the program when the
 * kernel will not have it.
 */
void rule_by_nftables(void);
void rule_by_iptables(void);

#endif
