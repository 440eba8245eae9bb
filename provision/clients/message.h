/* SPDX-License-Identifier: GPL-2.0 */
/* Writes queries and parses answers (RFC 1035, 4). */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client.h"

enum {
	TYPE_A = 1,	/* RFC 1035, 3.2.2 */
	TYPE_AAAA = 28,	/* RFC 3596, 2.1 */

	/* Maximum length over UDP without EDNS (RFC 1035, 4.2.1). */
	MESSAGE_BYTES = 512,
};

struct query {
	unsigned char bytes[MESSAGE_BYTES];
	size_t length;
	unsigned int type;
};

/* "name" was checked by client_name(). */
void query_write(struct query *query, const char *name, unsigned int type, uint16_t id);

/*
 * Returns true if the message answers the query, also with an error, and adds
 * its addresses to the lookup. Invalid and incomplete messages have no effect.
 */
bool answer_read(const struct query *query, const unsigned char *message, size_t length, struct lookup *lookup);

#endif
