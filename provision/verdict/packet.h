// SPDX-License-Identifier: GPL-2.0
/* A packet that waits for its verdict, as the kernel's message tells of it. */
#ifndef PACKET_H
#define PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* A DNS query as far as it could be read. */
struct query {
	bool has_addresses;
	bool has_id;
	bool has_type;
	unsigned char src[4];
	unsigned char dst[4];
	unsigned int sport;
	unsigned int dport;
	unsigned int id;
	unsigned int type;
};

/* A packet's conntrack as the kernel described it when it queued the packet. */
struct conntrack {
	bool is_known;
	uint32_t id;
	bool is_confirmed;
};

struct packet {
	uint32_t id;
	struct conntrack conntrack;
	/* How many there were in its namespace by then; 0 when nobody counted: it is the caller's to say. */
	unsigned int conntracks;
	struct timespec queued;
	struct query query;
};

/*
 * Reads a message of a queue. Gives whether it tells of a packet; what it does
 * not tell stays unknown. The time it was queued is the caller's to say.
 */
bool read_packet(const char *message, size_t length, struct packet *packet);

#endif
