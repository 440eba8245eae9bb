/* SPDX-License-Identifier: GPL-2.0 */
/* DNS messages (RFC 1035, 4): a query is written, an answer is read. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client.h"

enum {
	TYPE_A = 1,	/* RFC 1035, 3.2.2 */
	TYPE_AAAA = 28,	/* RFC 3596, 2.1 */

	/* No message over UDP is longer (RFC 1035, 4.2.1): these queries do not ask for more. */
	MESSAGE_BYTES = 512,
};

struct query {
	unsigned char bytes[MESSAGE_BYTES];
	size_t length;
	unsigned int type;
};

/* "name" is one that client_name() has let pass. */
void query_write(struct query *query, const char *name, unsigned int type, uint16_t id);

/*
 * True when the message answers the query, be it with an error; what it has of
 * addresses is added then. A message that is no whole and right answer changes
 * nothing.
 */
bool answer_read(const struct query *query, const unsigned char *message, size_t length, struct lookup *lookup);

#endif
