// SPDX-License-Identifier: GPL-2.0
/* By nf_tables: a table, a chain and a rule, in one batch (linux/netfilter/nf_tables.h). */
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "check.h"
#include "netlink.h"
#include "rule.h"

#define TABLE "five-second-lab"
#define CHAIN "postrouting"

/* NF_IP_PRI_MANGLE of linux/netfilter_ipv4.h: where iptables' table of that name is, long before confirm. */
enum { MANGLE = -150 };

static void begin(struct message *message, unsigned int type, unsigned int flags)
{
	const struct nfgenmsg header = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 };

	message_begin(message, NFNL_SUBSYS_NFTABLES << 8 | type, flags | NLM_F_CREATE | NLM_F_ACK, &header,
		      sizeof(header));
}

static void delimit(struct message *message, unsigned int type)
{
	const struct nfgenmsg header = { .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	message_begin(message, type, 0, &header, sizeof(header));
}

static void put_chain(struct message *message)
{
	size_t hook;

	begin(message, NFT_MSG_NEWCHAIN, 0);
	message_put_text(message, NFTA_CHAIN_TABLE, TABLE);
	message_put_text(message, NFTA_CHAIN_NAME, CHAIN);
	hook = message_nest(message, NFTA_CHAIN_HOOK);
	message_put_be32(message, NFTA_HOOK_HOOKNUM, NF_INET_POST_ROUTING);
	message_put_be32(message, NFTA_HOOK_PRIORITY, (uint32_t)MANGLE);
	message_end(message, hook);
	message_put_text(message, NFTA_CHAIN_TYPE, "filter");
}

/* "ct state" without a comparison: asking for it is all. */
static void put_state(struct message *message)
{
	size_t element = message_nest(message, NFTA_LIST_ELEM), data;

	message_put_text(message, NFTA_EXPR_NAME, "ct");
	data = message_nest(message, NFTA_EXPR_DATA);
	message_put_be32(message, NFTA_CT_DREG, NFT_REG_1);
	message_put_be32(message, NFTA_CT_KEY, NFT_CT_STATE);
	message_end(message, data);
	message_end(message, element);
}

static void put_queue(struct message *message)
{
	size_t element = message_nest(message, NFTA_LIST_ELEM), data;

	message_put_text(message, NFTA_EXPR_NAME, "queue");
	data = message_nest(message, NFTA_EXPR_DATA);
	message_put_be16(message, NFTA_QUEUE_NUM, QUEUE);
	message_put_be16(message, NFTA_QUEUE_TOTAL, 1);
	message_end(message, data);
	message_end(message, element);
}

static void put_rule(struct message *message)
{
	size_t expressions;

	begin(message, NFT_MSG_NEWRULE, NLM_F_APPEND);
	message_put_text(message, NFTA_RULE_TABLE, TABLE);
	message_put_text(message, NFTA_RULE_CHAIN, CHAIN);
	expressions = message_nest(message, NFTA_RULE_EXPRESSIONS);
	put_state(message);
	put_queue(message);
	message_end(message, expressions);
}

void rule_by_nftables(void)
{
	struct message message = { .length = 0 };
	int fd = netlink_open(NETLINK_NETFILTER);

	if (fd < 0)
		give_up("open", "a socket to netfilter");
	delimit(&message, NFNL_MSG_BATCH_BEGIN);
	begin(&message, NFT_MSG_NEWTABLE, 0);
	message_put_text(&message, NFTA_TABLE_NAME, TABLE);
	put_chain(&message);
	put_rule(&message);
	delimit(&message, NFNL_MSG_BATCH_END);
	errno = netlink_ask(fd, &message);
	if (errno)
		give_up("make", "an nf_tables rule with \"ct\" and \"queue\"");
	close(fd);
}
