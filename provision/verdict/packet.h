// SPDX-License-Identifier: GPL-2.0
/* A packet that waits for its verdict, parsed from the kernel's message. */
#ifndef PACKET_H
#define PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* A DNS query, as far as it could be parsed. */
struct query {
	bool has_addresses;
	bool has_id;
	bool has_type;
	bool is_ipv6;
	/* IPv4 addresses use the first four bytes. */
	unsigned char src[16];
	unsigned char dst[16];
	unsigned int sport;
	unsigned int dport;
	unsigned int id;
	unsigned int type;
};

/* A packet's conntrack at the time of queueing. */
struct conntrack {
	bool is_known;
	uint32_t id;
	bool is_confirmed;
};

struct packet {
	uint32_t id;
	struct conntrack conntrack;
	/* Number of conntracks in its namespace at that time; 0 if not counted. Set by the caller. */
	unsigned int conntracks;
	struct timespec queued;
	struct query query;
};

/*
 * Parses a message of a queue. Returns whether it contains a packet; missing
 * fields are marked unknown. The caller sets "queued".
 */
bool read_packet(const char *message, size_t length, struct packet *packet);

#endif
