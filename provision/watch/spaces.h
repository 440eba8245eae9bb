/* SPDX-License-Identifier: GPL-2.0 */
/* Network namespaces: those of processes, and named ones. */
#ifndef WATCH_SPACES_H
#define WATCH_SPACES_H

#include "sockets.h"
#include "watch.h"

/* Files of /proc/net that are read in each namespace. */
enum { MOST_FILES = 4 };

struct space {
	/* Its number in the output; not used again. */
	unsigned int number;
	unsigned long inode;
	/* A process in it; 0 for a named one without processes. */
	pid_t holder;
	char name[64];
	bool seen;
	/* Its packet socket. */
	int tap;
	/* Its files that are kept open, by name, if it has no process. */
	struct {
		const char *name;
		int fd;
	} files[MOST_FILES];
	unsigned int file_count;
	/* When a DNS packet was seen last, by the monotonic clock; 0 for never. */
	int64_t asked_at;
	/* When its resolv.conf was read last. */
	int64_t configured_at;
	/* Hashes of what was printed last. */
	uint64_t counters, queues;
	struct sockets sockets;
};

/* Must be called first: remembers the own namespace. */
void spaces_begin(void);

/* Finds namespaces that are new or have gone, and opens and closes their packet sockets. */
void spaces_look(const struct wanted *wanted, int poller);

struct space **spaces_all(unsigned int *count);

/* Opens a file of /proc/net in a namespace, by a name that stays; negative on error. */
int space_open(struct space *space, const char *name);

#endif
