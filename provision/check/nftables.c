// SPDX-License-Identifier: GPL-2.0
/* Rules by nf_tables: a table with chains and rules, in one batch (linux/netfilter/nf_tables.h). */
#include <arpa/inet.h>
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
#include "server.h"

#define TABLE "five-second-lab"

/* One of the table's chains. */
struct chain {
	const char *name;
	const char *type;
	uint32_t hook;
	/* See linux/netfilter_ipv4.h. */
	int32_t priority;
};

/* NF_IP_PRI_MANGLE: the priority of iptables' table of that name, before confirm. */
static const struct chain queries = { "postrouting", "filter", NF_INET_POST_ROUTING, -150 };
/* NF_IP_PRI_NAT_DST and _SRC; before 4.18 replies are mapped back only with a chain at their hook. */
static const struct chain apart = { "output", "nat", NF_INET_LOCAL_OUT, -100 };
static const struct chain back = { "input", "nat", NF_INET_LOCAL_IN, 100 };

enum {
	/* Offset of the type in a query for NAME: after the headers of UDP and DNS, the name and two length bytes. */
	TYPE_AT = 8 + 12 + sizeof(NAME) + 1,
	TYPE_AAAA = 28,	/* RFC 3596, 2.1 */
};

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

static void put_chain(struct message *message, const struct chain *chain)
{
	size_t hook;

	begin(message, NFT_MSG_NEWCHAIN, 0);
	message_put_text(message, NFTA_CHAIN_TABLE, TABLE);
	message_put_text(message, NFTA_CHAIN_NAME, chain->name);
	hook = message_nest(message, NFTA_CHAIN_HOOK);
	message_put_be32(message, NFTA_HOOK_HOOKNUM, chain->hook);
	message_put_be32(message, NFTA_HOOK_PRIORITY, (uint32_t)chain->priority);
	message_end(message, hook);
	message_put_text(message, NFTA_CHAIN_TYPE, chain->type);
}

/* "ct state" without a comparison: only to enable conntrack. */
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

/* "@th,TYPE_AT,16 28": the type is the only deterministic difference between the A and AAAA queries. */
static void put_is_aaaa(struct message *message)
{
	const uint16_t type = htons(TYPE_AAAA);
	size_t element = message_nest(message, NFTA_LIST_ELEM), data, value;

	message_put_text(message, NFTA_EXPR_NAME, "payload");
	data = message_nest(message, NFTA_EXPR_DATA);
	message_put_be32(message, NFTA_PAYLOAD_DREG, NFT_REG_1);
	message_put_be32(message, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	message_put_be32(message, NFTA_PAYLOAD_OFFSET, TYPE_AT);
	message_put_be32(message, NFTA_PAYLOAD_LEN, sizeof(type));
	message_end(message, data);
	message_end(message, element);
	element = message_nest(message, NFTA_LIST_ELEM);
	message_put_text(message, NFTA_EXPR_NAME, "cmp");
	data = message_nest(message, NFTA_EXPR_DATA);
	message_put_be32(message, NFTA_CMP_SREG, NFT_REG_1);
	message_put_be32(message, NFTA_CMP_OP, NFT_CMP_EQ);
	value = message_nest(message, NFTA_CMP_DATA);
	message_put(message, NFTA_DATA_VALUE, &type, sizeof(type));
	message_end(message, value);
	message_end(message, data);
	message_end(message, element);
}

static void put_dnat(struct message *message, const char *address)
{
	struct in_addr numbers;
	size_t element = message_nest(message, NFTA_LIST_ELEM), data, value;

	inet_pton(AF_INET, address, &numbers);
	message_put_text(message, NFTA_EXPR_NAME, "immediate");
	data = message_nest(message, NFTA_EXPR_DATA);
	message_put_be32(message, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	value = message_nest(message, NFTA_IMMEDIATE_DATA);
	message_put(message, NFTA_DATA_VALUE, &numbers, sizeof(numbers));
	message_end(message, value);
	message_end(message, data);
	message_end(message, element);
	element = message_nest(message, NFTA_LIST_ELEM);
	message_put_text(message, NFTA_EXPR_NAME, "nat");
	data = message_nest(message, NFTA_EXPR_DATA);
	message_put_be32(message, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	message_put_be32(message, NFTA_NAT_FAMILY, AF_INET);
	message_put_be32(message, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
	message_put_be32(message, NFTA_NAT_REG_ADDR_MAX, NFT_REG_1);
	message_end(message, data);
	message_end(message, element);
}

/* Returns the attribute of the rule's expressions. */
static size_t begin_rule(struct message *message, const struct chain *chain)
{
	begin(message, NFT_MSG_NEWRULE, NLM_F_APPEND);
	message_put_text(message, NFTA_RULE_TABLE, TABLE);
	message_put_text(message, NFTA_RULE_CHAIN, chain->name);
	return message_nest(message, NFTA_RULE_EXPRESSIONS);
}

static void begin_batch(struct message *message)
{
	delimit(message, NFNL_MSG_BATCH_BEGIN);
	begin(message, NFT_MSG_NEWTABLE, 0);
	message_put_text(message, NFTA_TABLE_NAME, TABLE);
}

static void end_batch(struct message *message, const char *which)
{
	int fd = netlink_open(NETLINK_NETFILTER);

	if (fd < 0)
		give_up("open", "a socket to netfilter");
	delimit(message, NFNL_MSG_BATCH_END);
	errno = netlink_request(fd, message);
	if (errno)
		give_up("make", which);
	close(fd);
}

static void queue(void)
{
	struct message message = { .length = 0 };
	size_t expressions;

	begin_batch(&message);
	put_chain(&message, &queries);
	expressions = begin_rule(&message, &queries);
	put_state(&message);
	put_queue(&message);
	message_end(&message, expressions);
	end_batch(&message, "an nf_tables rule with \"ct\" and \"queue\"");
}

static void map_apart(void)
{
	struct message message = { .length = 0 };
	size_t expressions;

	begin_batch(&message);
	put_chain(&message, &apart);
	put_chain(&message, &back);
	expressions = begin_rule(&message, &apart);
	put_is_aaaa(&message);
	put_dnat(&message, SECOND_ADDRESS);
	message_end(&message, expressions);
	expressions = begin_rule(&message, &apart);
	put_dnat(&message, SERVER_ADDRESS);
	message_end(&message, expressions);
	end_batch(&message, "nf_tables rules with \"dnat\"");
}

const struct rules rules_by_nftables = { .queue = queue, .map_apart = map_apart };
