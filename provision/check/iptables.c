// SPDX-License-Identifier: GPL-2.0
/* Rules by ip_tables: replaces this namespace's empty tables "mangle" and "nat". */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include "check.h"
#include "rule.h"

/* A standard target's verdict is negative, a jump's offset is not (ip_tables.c, ipt_do_table). */
enum { VERDICT_ACCEPT = -NF_ACCEPT - 1 };

/* The revision of xt_conntrack in kernels since 2.6.38. */
enum { CONNTRACK_REVISION = 3 };

/* Accepts all packets: the policy at the end of each chain. */
struct policy {
	struct ipt_entry entry;
	struct xt_standard_target target;
};

struct queue_rule {
	struct ipt_entry entry;
	struct xt_entry_match match;
	struct xt_conntrack_mtinfo3 conntrack __attribute__((aligned(8)));
	struct xt_entry_target target __attribute__((aligned(8)));
	struct xt_NFQ_info queue __attribute__((aligned(8)));
} __attribute__((aligned(8)));

/* Maps every second flow, or each; uses the older target revision, which all kernels have (xt_nat.c). */
struct dnat_rule {
	struct ipt_entry entry;
	struct xt_entry_match match;
	struct xt_statistic_info statistic __attribute__((aligned(8)));
	struct xt_entry_target target __attribute__((aligned(8)));
	struct nf_nat_ipv4_multi_range_compat dnat __attribute__((aligned(8)));
} __attribute__((aligned(8)));

struct end {
	struct ipt_entry entry;
	struct xt_error_target target;
};

/* Argument of setsockopt(): struct ipt_replace, followed by the entries. The last chain is POST_ROUTING's. */
struct mangle {
	struct ipt_replace head;
	struct policy policies[NF_INET_NUMHOOKS - 1];
	struct queue_rule rule;
	struct policy last;
	struct end end;
};

/* The table "nat" has no FORWARD. */
struct nat {
	struct ipt_replace head;
	struct policy pre_routing, local_in;
	struct dnat_rule rules[2];
	struct policy local_out, post_routing;
	struct end end;
};

/* Base of the kernel's chain offsets: the end of the head, which all tables have. */
static const size_t begins = offsetof(struct mangle, policies);

static struct policy policy(void)
{
	struct policy policy;

	memset(&policy, 0, sizeof(policy));
	policy.entry.target_offset = offsetof(struct policy, target);
	policy.entry.next_offset = sizeof(policy);
	policy.target.target.u.target_size = sizeof(policy.target);
	policy.target.verdict = VERDICT_ACCEPT;
	return policy;
}

static struct queue_rule queue_rule(void)
{
	struct queue_rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.entry.ip.proto = IPPROTO_UDP;
	rule.entry.target_offset = offsetof(struct queue_rule, target);
	rule.entry.next_offset = sizeof(rule);
	rule.match.u.user.match_size = offsetof(struct queue_rule, target) - offsetof(struct queue_rule, match);
	strcpy(rule.match.u.user.name, "conntrack");
	rule.match.u.user.revision = CONNTRACK_REVISION;
	rule.conntrack.match_flags = XT_CONNTRACK_STATE;
	rule.conntrack.state_mask = XT_CONNTRACK_STATE_BIT(IP_CT_NEW) | XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED);
	rule.target.u.user.target_size = sizeof(rule) - offsetof(struct queue_rule, target);
	strcpy(rule.target.u.user.name, "NFQUEUE");
	rule.queue.queuenum = QUEUE;
	return rule;
}

static struct end end(void)
{
	struct end end;

	memset(&end, 0, sizeof(end));
	end.entry.target_offset = offsetof(struct end, target);
	end.entry.next_offset = sizeof(end);
	end.target.target.u.user.target_size = sizeof(end.target);
	strcpy(end.target.target.u.user.name, XT_ERROR_TARGET);
	strcpy(end.target.errorname, XT_ERROR_TARGET);
	return end;
}

static struct dnat_rule dnat_rule(const char *address, unsigned int every)
{
	struct dnat_rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.entry.ip.proto = IPPROTO_UDP;
	rule.entry.target_offset = offsetof(struct dnat_rule, target);
	rule.entry.next_offset = sizeof(rule);
	rule.match.u.user.match_size = offsetof(struct dnat_rule, target) - offsetof(struct dnat_rule, match);
	strcpy(rule.match.u.user.name, "statistic");
	rule.statistic.mode = XT_STATISTIC_MODE_NTH;
	/* The number of packets skipped in between (xt_statistic.c, statistic_mt). */
	rule.statistic.u.nth.every = every - 1;
	rule.target.u.user.target_size = sizeof(rule) - offsetof(struct dnat_rule, target);
	strcpy(rule.target.u.user.name, "DNAT");
	rule.dnat.rangesize = 1;
	rule.dnat.range[0].flags = NF_NAT_RANGE_MAP_IPS;
	rule.dnat.range[0].min_ip = inet_addr(address);
	rule.dnat.range[0].max_ip = rule.dnat.range[0].min_ip;
	return rule;
}

static void set_chain(struct ipt_replace *head, unsigned int hook, size_t first, size_t policy)
{
	head->valid_hooks |= 1U << hook;
	head->hook_entry[hook] = (unsigned int)(first - begins);
	head->underflow[hook] = (unsigned int)(policy - begins);
}

static void fill_mangle(struct mangle *table)
{
	unsigned int hook;

	for (hook = 0; hook < NF_INET_POST_ROUTING; hook++) {
		const size_t at = offsetof(struct mangle, policies) + hook * sizeof(struct policy);

		table->policies[hook] = policy();
		set_chain(&table->head, hook, at, at);
	}
	table->rule = queue_rule();
	table->last = policy();
	set_chain(&table->head, NF_INET_POST_ROUTING, offsetof(struct mangle, rule), offsetof(struct mangle, last));
	table->end = end();
}

static void fill_nat(struct nat *table)
{
	table->pre_routing = policy();
	set_chain(&table->head, NF_INET_PRE_ROUTING, offsetof(struct nat, pre_routing), offsetof(struct nat, pre_routing));
	table->local_in = policy();
	set_chain(&table->head, NF_INET_LOCAL_IN, offsetof(struct nat, local_in), offsetof(struct nat, local_in));
	table->rules[0] = dnat_rule(SERVER_ADDRESS, 2);
	table->rules[1] = dnat_rule(SECOND_ADDRESS, 1);
	table->local_out = policy();
	set_chain(&table->head, NF_INET_LOCAL_OUT, offsetof(struct nat, rules), offsetof(struct nat, local_out));
	table->post_routing = policy();
	set_chain(&table->head, NF_INET_POST_ROUTING, offsetof(struct nat, post_routing),
		  offsetof(struct nat, post_routing));
	table->end = end();
}

/* Replaces the empty table of that name. */
static void replace(struct ipt_replace *head, const char *name, unsigned int entries, size_t size, const char *what)
{
	/* Buffer for the old table's counters, which the kernel always returns. */
	struct xt_counters counters[64];
	struct ipt_getinfo now = { .valid_hooks = 0 };
	socklen_t length = sizeof(now);
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd < 0)
		give_up("open", "a socket to ip_tables");
	strcpy(now.name, name);
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &now, &length) < 0)
		give_up("read ip_tables' table", name);
	if (now.num_entries > sizeof(counters) / sizeof(counters[0])) {
		errno = EEXIST;
		give_up("replace ip_tables' table, which should be empty,", name);
	}
	strcpy(head->name, name);
	head->num_entries = entries;
	head->size = (unsigned int)(size - begins);
	head->num_counters = now.num_entries;
	head->counters = counters;
	if (setsockopt(fd, IPPROTO_IP, IPT_SO_SET_REPLACE, head, (socklen_t)size) < 0)
		give_up("make", what);
	close(fd);
}

static void queue(void)
{
	struct mangle table;

	memset(&table, 0, sizeof(table));
	fill_mangle(&table);
	replace(&table.head, "mangle", NF_INET_NUMHOOKS + 2, sizeof(table),
		"an ip_tables rule with \"conntrack\" and \"NFQUEUE\"");
}

static void map_apart(void)
{
	struct nat table;

	memset(&table, 0, sizeof(table));
	fill_nat(&table);
	replace(&table.head, "nat", NF_INET_NUMHOOKS - 1 + 3, sizeof(table),
		"ip_tables rules with \"statistic\" and \"DNAT\"");
}

const struct rules rules_by_iptables = { .queue = queue, .map_apart = map_apart };
