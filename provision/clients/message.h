/* SPDX-License-Identifier: GPL-2.0 */
/* DNS messages (RFC 1035, 4.1), for the clients that ask by themselves. */
#ifndef LAB_MESSAGE_H
#define LAB_MESSAGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client.h"

enum {
	/* What fits in a UDP message without extensions (RFC 1035, 4.2.1). */
	MESSAGE_BYTES = 512,
	TYPE_A = 1,
	TYPE_AAAA = 28,
};

struct question {
	uint16_t id;
	uint16_t type;
	unsigned char bytes[MESSAGE_BYTES];
	size_t length;
};

/* The first nameserver of /etc/resolv.conf that has an IPv4 address, port 53. */
bool message_server(struct sockaddr_in *server);

/* False for a name that cannot be asked for. */
bool message_ask(struct question *question, const char *name, uint16_t type);

/* Whether it answers the question; its addresses are added to the outcome then. */
bool message_read(const struct question *question, const unsigned char *answer, size_t length,
		  struct outcome *outcome);

#endif
