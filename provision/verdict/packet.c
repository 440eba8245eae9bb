// SPDX-License-Identifier: GPL-2.0
#include "packet.h"

#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>

static unsigned int read16(const unsigned char *bytes)
{
	return (unsigned int)bytes[0] << 8 | bytes[1];
}

/* The question's type follows its name: labels, each preceded by its length (RFC 1035, 4.1.2). */
static void parse_dns(const unsigned char *dns, size_t length, struct query *query)
{
	size_t at = 12;

	if (length < 2)
		return;
	query->has_id = true;
	query->id = read16(dns);

	while (at < length && dns[at] != 0 && dns[at] < 64)
		at += (size_t)dns[at] + 1;
	if (at + 3 > length || dns[at] != 0)
		return;
	query->has_type = true;
	query->type = read16(dns + at + 1);
}

/* A UDP header (RFC 768) and what follows it. */
static void parse_udp(const unsigned char *udp, size_t length, struct query *query)
{
	if (length < 8)
		return;
	query->sport = read16(udp);
	query->dport = read16(udp + 2);
	query->has_addresses = true;
	parse_dns(udp + 8, length - 8, query);
}

/* An IPv6 header (RFC 8200, 3), without extension headers. */
static void parse_ipv6(const unsigned char *packet, size_t length, struct query *query)
{
	if (length < 40 || packet[6] != IPPROTO_UDP)
		return;
	query->is_ipv6 = true;
	memcpy(query->src, packet + 8, 16);
	memcpy(query->dst, packet + 24, 16);
	parse_udp(packet + 40, length - 40, query);
}

/* An IPv4 header (RFC 791); anything else but IPv6 leaves the query empty. */
static void parse_ip(const unsigned char *packet, size_t length, struct query *query)
{
	size_t header;

	memset(query, 0, sizeof(*query));
	if (length > 0 && packet[0] >> 4 == 6) {
		parse_ipv6(packet, length, query);
		return;
	}
	if (length < 20 || packet[0] >> 4 != 4 || packet[9] != IPPROTO_UDP)
		return;
	/* A later fragment has no ports. */
	if (read16(packet + 6) & 0x1fff)
		return;
	header = (size_t)(packet[0] & 0xf) * 4;
	if (header < 20 || length < header)
		return;
	memcpy(query->src, packet + 12, 4);
	memcpy(query->dst, packet + 16, 4);
	parse_udp(packet + header, length - header, query);
}

static const unsigned char *payload_of(const struct nlattr *attribute)
{
	return (const unsigned char *)attribute + NLA_HDRLEN;
}

static uint32_t read32(const unsigned char *bytes)
{
	return (uint32_t)read16(bytes) << 16 | read16(bytes + 2);
}

/* Finds attributes by type; missing ones are NULL. */
static void find_attributes(const void *attributes, size_t length,
			    const struct nlattr **found, unsigned int types)
{
	const unsigned char *at = attributes;

	memset(found, 0, types * sizeof(found[0]));
	while (length >= NLA_HDRLEN) {
		const struct nlattr *one = (const struct nlattr *)at;
		unsigned int type = one->nla_type & NLA_TYPE_MASK;
		size_t space = NLA_ALIGN((size_t)one->nla_len);

		if (one->nla_len < NLA_HDRLEN || one->nla_len > length)
			break;
		if (type < types)
			found[type] = one;
		if (space >= length)
			break;
		at += space;
		length -= space;
	}
}

static size_t length_of(const struct nlattr *attribute)
{
	return attribute ? attribute->nla_len - NLA_HDRLEN : 0;
}

/*
 * The conntrack is a nested attribute, sent by kernels from 3.6 on while
 * nf_conntrack_netlink is loaded.
 */
static void parse_conntrack(const struct nlattr *nest, struct conntrack *conntrack)
{
	const struct nlattr *found[CTA_MAX + 1];

	memset(conntrack, 0, sizeof(*conntrack));
	if (!nest)
		return;
	find_attributes(payload_of(nest), length_of(nest), found, CTA_MAX + 1);
	if (length_of(found[CTA_ID]) < sizeof(uint32_t) || length_of(found[CTA_STATUS]) < sizeof(uint32_t))
		return;
	conntrack->is_known = true;
	conntrack->id = read32(payload_of(found[CTA_ID]));
	conntrack->is_confirmed = read32(payload_of(found[CTA_STATUS])) & IPS_CONFIRMED;
}

/*
 * Parses without the library, which is slower than all other work per packet
 * and has no function for the conntrack.
 */
bool read_packet(const char *message, size_t length, struct packet *packet)
{
	const size_t before = NLMSG_SPACE(sizeof(struct nfgenmsg));
	const struct nlmsghdr *header = (const struct nlmsghdr *)message;
	const struct nlattr *found[NFQA_MAX + 1];

	if (length < before || header->nlmsg_len < before || header->nlmsg_len > length ||
	    header->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
		return false;
	find_attributes(message + before, header->nlmsg_len - before, found, NFQA_MAX + 1);
	if (length_of(found[NFQA_PACKET_HDR]) < sizeof(struct nfqnl_msg_packet_hdr))
		return false;
	packet->id = read32(payload_of(found[NFQA_PACKET_HDR]));
	parse_ip(found[NFQA_PAYLOAD] ? payload_of(found[NFQA_PAYLOAD]) : NULL,
		 length_of(found[NFQA_PAYLOAD]), &packet->query);
	parse_conntrack(found[NFQA_CT], &packet->conntrack);
	return true;
}
