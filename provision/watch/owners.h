/* SPDX-License-Identifier: GPL-2.0 */
/* Processes of sockets. */
#ifndef WATCH_OWNERS_H
#define WATCH_OWNERS_H

#include <stdbool.h>
#include <stdint.h>

struct space;

/* A socket that waits. */
struct waiting {
	int64_t now, since;
	unsigned int port;
	unsigned long inode;
	/* The server's address as /proc/net/udp has it, if no packet of it was captured; else NULL. */
	const char *remote;
};

/*
 * Prints a socket with its process, if that is found; returns whether its process was looked for. The search has a
 * hundredth of a processor's time at most.
 */
bool owners_report(const struct space *space, const struct waiting *waiting);

#endif
