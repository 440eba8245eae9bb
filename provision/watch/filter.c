// SPDX-License-Identifier: GPL-2.0
/* Packets begin with their IP header: the socket is of type SOCK_DGRAM. */
#include "filter.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>

enum { MOST_INSTRUCTIONS = 160, FRAGMENT_OFFSET = 0x1fff };

/* Where jumps lead; NEXT is the next instruction. */
enum label { NEXT, IPV4, IPV6, IPV4_PORTS, IPV4_ICMP, IPV6_PORTS, IPV6_ICMP, IPV4_QUOTED, IPV6_QUOTED, KEEP, LEAVE,
	     LABELS };

struct assembly {
	struct sock_filter code[MOST_INSTRUCTIONS];
	enum label yes[MOST_INSTRUCTIONS], no[MOST_INSTRUCTIONS];
	unsigned int count;
	unsigned int at[LABELS];
};

static void add(struct assembly *assembly, unsigned int code, uint32_t k, enum label yes, enum label no)
{
	if (assembly->count == MOST_INSTRUCTIONS)
		give_up("build", "the filter");
	assembly->code[assembly->count].code = (uint16_t)code;
	assembly->code[assembly->count].k = k;
	assembly->yes[assembly->count] = yes;
	assembly->no[assembly->count++] = no;
}

static void load(struct assembly *assembly, unsigned int how, uint32_t offset)
{
	add(assembly, BPF_LD | how, offset, NEXT, NEXT);
}

static void if_equal(struct assembly *assembly, uint32_t value, enum label yes, enum label no)
{
	add(assembly, BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
}

static void mark(struct assembly *assembly, enum label label)
{
	assembly->at[label] = assembly->count;
}

/* Keeps packets of which one of two ports is a DNS server's. */
static void keep_ports(struct assembly *assembly, unsigned int how, uint32_t offset, const struct wanted *wanted)
{
	unsigned int i, end;

	for (end = 0; end < 2; end++) {
		load(assembly, how, offset + 2 * end);
		for (i = 0; i < wanted->port_count; i++)
			if_equal(assembly, wanted->ports[i], KEEP, NEXT);
	}
	if_equal(assembly, UINT32_MAX, LEAVE, LEAVE);
}

static void keep_ipv4(struct assembly *assembly, const struct wanted *wanted)
{
	mark(assembly, IPV4);
	load(assembly, BPF_H | BPF_ABS, 6);
	add(assembly, BPF_JMP | BPF_JSET | BPF_K, FRAGMENT_OFFSET, LEAVE, NEXT);
	add(assembly, BPF_LDX | BPF_B | BPF_MSH, 0, NEXT, NEXT);
	load(assembly, BPF_B | BPF_ABS, 9);
	if_equal(assembly, IPPROTO_UDP, IPV4_PORTS, NEXT);
	if_equal(assembly, IPPROTO_TCP, IPV4_PORTS, NEXT);
	if_equal(assembly, IPPROTO_ICMP, IPV4_ICMP, LEAVE);
	mark(assembly, IPV4_PORTS);
	keep_ports(assembly, BPF_H | BPF_IND, 0, wanted);
	mark(assembly, IPV4_ICMP);
	load(assembly, BPF_B | BPF_IND, 0);
	if_equal(assembly, ICMP_DEST_UNREACH, NEXT, LEAVE);
	load(assembly, BPF_B | BPF_IND, 8 + 9);
	if_equal(assembly, IPPROTO_UDP, IPV4_QUOTED, NEXT);
	if_equal(assembly, IPPROTO_TCP, IPV4_QUOTED, LEAVE);
	mark(assembly, IPV4_QUOTED);
	/* The quoted header's length, added to that of the first one. */
	load(assembly, BPF_B | BPF_IND, 8);
	add(assembly, BPF_ALU | BPF_AND | BPF_K, 0xf, NEXT, NEXT);
	add(assembly, BPF_ALU | BPF_LSH | BPF_K, 2, NEXT, NEXT);
	add(assembly, BPF_ALU | BPF_ADD | BPF_X, 0, NEXT, NEXT);
	add(assembly, BPF_MISC | BPF_TAX, 0, NEXT, NEXT);
	keep_ports(assembly, BPF_H | BPF_IND, 8, wanted);
}

/* Packets with extension headers are left out. */
static void keep_ipv6(struct assembly *assembly, const struct wanted *wanted)
{
	mark(assembly, IPV6);
	load(assembly, BPF_B | BPF_ABS, 6);
	if_equal(assembly, IPPROTO_UDP, IPV6_PORTS, NEXT);
	if_equal(assembly, IPPROTO_TCP, IPV6_PORTS, NEXT);
	if_equal(assembly, IPPROTO_ICMPV6, IPV6_ICMP, LEAVE);
	mark(assembly, IPV6_PORTS);
	keep_ports(assembly, BPF_H | BPF_ABS, 40, wanted);
	mark(assembly, IPV6_ICMP);
	load(assembly, BPF_B | BPF_ABS, 40);
	if_equal(assembly, ICMPV6_DEST_UNREACH, NEXT, LEAVE);
	load(assembly, BPF_B | BPF_ABS, 48 + 6);
	if_equal(assembly, IPPROTO_UDP, IPV6_QUOTED, NEXT);
	if_equal(assembly, IPPROTO_TCP, IPV6_QUOTED, LEAVE);
	mark(assembly, IPV6_QUOTED);
	keep_ports(assembly, BPF_H | BPF_ABS, 48 + 40, wanted);
}

static uint8_t distance(const struct assembly *assembly, enum label label, unsigned int from)
{
	return label == NEXT ? 0 : (uint8_t)(assembly->at[label] - from - 1);
}

int filter_attach(int socket, const struct wanted *wanted)
{
	struct assembly assembly = { .count = 0 };
	struct sock_fprog program;
	unsigned int i;

	load(&assembly, BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
	if_equal(&assembly, ETH_P_IP, IPV4, NEXT);
	if_equal(&assembly, ETH_P_IPV6, IPV6, LEAVE);
	keep_ipv4(&assembly, wanted);
	keep_ipv6(&assembly, wanted);
	mark(&assembly, KEEP);
	add(&assembly, BPF_RET | BPF_K, SNAP_BYTES, NEXT, NEXT);
	mark(&assembly, LEAVE);
	add(&assembly, BPF_RET | BPF_K, 0, NEXT, NEXT);
	for (i = 0; i < assembly.count; i++) {
		if (BPF_CLASS(assembly.code[i].code) != BPF_JMP)
			continue;
		assembly.code[i].jt = distance(&assembly, assembly.yes[i], i);
		assembly.code[i].jf = distance(&assembly, assembly.no[i], i);
	}
	program = (struct sock_fprog){ .len = (uint16_t)assembly.count, .filter = assembly.code };
	return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}
