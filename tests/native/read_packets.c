// SPDX-License-Identifier: GPL-2.0
/*
 * read_packets - reads messages of a queue as user.out does, from standard input
 *
 * Each message comes as its length (four bytes, this machine's order) and its
 * bytes. It is copied to a separate buffer, so that a sanitizer detects any
 * read outside of the message. Prints a line for each: the parsed fields, or
 * "nothing".
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet.h"

static void tell(const struct packet *packet)
{
	const struct query *query = &packet->query;

	printf("id %u", packet->id);
	if (query->has_addresses)
		printf(" from %u.%u.%u.%u:%u to %u.%u.%u.%u:%u",
		       query->src[0], query->src[1], query->src[2], query->src[3], query->sport,
		       query->dst[0], query->dst[1], query->dst[2], query->dst[3], query->dport);
	if (query->has_id)
		printf(" dns %u", query->id);
	if (query->has_type)
		printf(" type %u", query->type);
	if (packet->conntrack.is_known)
		printf(" conntrack %u %s", packet->conntrack.id,
		       packet->conntrack.is_confirmed ? "confirmed" : "new");
	putchar('\n');
}

int main(void)
{
	uint32_t length;

	while (fread(&length, sizeof(length), 1, stdin) == 1) {
		char *message = malloc(length);
		struct packet packet;

		if (length && (!message || fread(message, length, 1, stdin) != 1))
			return 1;
		/* Earlier content must not pass for parsed fields. */
		memset(&packet, 0xa5, sizeof(packet));
		if (read_packet(message, length, &packet))
			tell(&packet);
		else
			puts("nothing");
		free(message);
	}
	return 0;
}
