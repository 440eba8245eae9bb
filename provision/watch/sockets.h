/* SPDX-License-Identifier: GPL-2.0 */
/*
 * UDP sockets that wait for an answer for a second or more: those whose query
 * was captured, and those connected to a DNS server of which no packet was.
 */
#ifndef WATCH_SOCKETS_H
#define WATCH_SOCKETS_H

#include <stdbool.h>

#include "watch.h"

struct space;
struct asked;
struct silent;

struct sockets {
	/* Ports that sent queries, by hash; NULL before the first. */
	struct asked *asked;
	/* Sockets of which no packet was captured; NULL before the first. */
	struct silent *silent;
	/* Whether the sockets that were there before are known. */
	bool begun;
};

/* Notes that a query from a port was captured. */
void sockets_note_query(struct sockets *sockets, uint16_t port, int64_t at);

/* Looks at the sockets of a namespace, and prints which wait, with their processes. */
void sockets_look(struct space *space, int64_t now, const struct wanted *wanted);

void sockets_end(struct sockets *sockets);

#endif
