// SPDX-License-Identifier: GPL-2.0
/* By ip_tables: the whole of this namespace's table "mangle", put in place of its empty one. */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include "check.h"
#include "rule.h"

/* A target's verdict is told from a jump's offset by being negative (ip_tables.c, ipt_do_table). */
enum { VERDICT_ACCEPT = -NF_ACCEPT - 1 };

/* The revision of xt_conntrack that kernels have had since 2.6.38. */
enum { CONNTRACK_REVISION = 3 };

/* What accepts all: each chain ends with one, its policy. */
struct policy {
	struct ipt_entry entry;
	struct xt_standard_target target;
};

struct rule {
	struct ipt_entry entry;
	struct xt_entry_match match;
	struct xt_conntrack_mtinfo3 conntrack __attribute__((aligned(8)));
	struct xt_entry_target target __attribute__((aligned(8)));
	struct xt_NFQ_info queue __attribute__((aligned(8)));
} __attribute__((aligned(8)));

struct end {
	struct ipt_entry entry;
	struct xt_error_target target;
};

/* What setsockopt() takes: struct ipt_replace, its entries behind it, POST_ROUTING's last. */
struct table {
	struct ipt_replace head;
	struct policy policies[NF_INET_NUMHOOKS - 1];
	struct rule rule;
	struct policy last;
	struct end end;
};

static const size_t begins = offsetof(struct table, policies);

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

static struct rule rule(void)
{
	struct rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.entry.ip.proto = IPPROTO_UDP;
	rule.entry.target_offset = offsetof(struct rule, target);
	rule.entry.next_offset = sizeof(rule);
	rule.match.u.user.match_size = offsetof(struct rule, target) - offsetof(struct rule, match);
	strcpy(rule.match.u.user.name, "conntrack");
	rule.match.u.user.revision = CONNTRACK_REVISION;
	rule.conntrack.match_flags = XT_CONNTRACK_STATE;
	rule.conntrack.state_mask = XT_CONNTRACK_STATE_BIT(IP_CT_NEW) | XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED);
	rule.target.u.user.target_size = sizeof(rule) - offsetof(struct rule, target);
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

static void fill(struct table *table)
{
	unsigned int hook;

	strcpy(table->head.name, "mangle");
	table->head.valid_hooks = (1 << NF_INET_NUMHOOKS) - 1;
	table->head.num_entries = NF_INET_NUMHOOKS + 2;
	table->head.size = (unsigned int)(sizeof(*table) - begins);
	for (hook = 0; hook < NF_INET_POST_ROUTING; hook++) {
		table->policies[hook] = policy();
		table->head.hook_entry[hook] = (unsigned int)(hook * sizeof(struct policy));
		table->head.underflow[hook] = table->head.hook_entry[hook];
	}
	table->rule = rule();
	table->head.hook_entry[NF_INET_POST_ROUTING] = (unsigned int)(offsetof(struct table, rule) - begins);
	table->last = policy();
	table->head.underflow[NF_INET_POST_ROUTING] = (unsigned int)(offsetof(struct table, last) - begins);
	table->end = end();
}

void rule_by_iptables(void)
{
	/* The old table's counters, which the kernel insists on giving. */
	struct xt_counters counters[64];
	struct ipt_getinfo now = { .name = "mangle" };
	socklen_t length = sizeof(now);
	struct table table;
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd < 0)
		give_up("open", "a socket to ip_tables");
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &now, &length) < 0)
		give_up("read", "ip_tables' table \"mangle\"");
	if (now.num_entries > sizeof(counters) / sizeof(counters[0])) {
		errno = EEXIST;
		give_up("replace", "ip_tables' table \"mangle\", which should be empty");
	}
	memset(&table, 0, sizeof(table));
	fill(&table);
	table.head.num_counters = now.num_entries;
	table.head.counters = counters;
	if (setsockopt(fd, IPPROTO_IP, IPT_SO_SET_REPLACE, &table, sizeof(table)) < 0)
		give_up("make", "an ip_tables rule with \"conntrack\" and \"NFQUEUE\"");
	close(fd);
}
