// SPDX-License-Identifier: GPL-2.0
/* By /proc/net/udp: the kernel's socket diagnostics could load a module. */
#include "sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "owners.h"
#include "spaces.h"

enum { MOST_ASKED = 1024, MOST_SILENT = 64, PROBES = 4 };

/* No resolver waits as long. */
#define FORGOTTEN_NS (60 * SECOND_NS)
/* A socket that is seen at two looks has waited for almost a second. */
#define WAITED_NS (9 * SECOND_NS / 10)

struct asked {
	uint16_t port;
	/* Time of its last query. */
	int64_t at;
	/* Inode of the socket that was reported. */
	unsigned long reported;
};

struct silent {
	unsigned long inode;
	int64_t since, seen;
	/* Whether a packet of it was captured, or it was there before the watch. */
	bool captured;
};

/* A line of /proc/net/udp. */
struct row {
	char remote[33];
	unsigned int local_port, remote_port;
	unsigned long inode;
};

static struct asked *find_asked(const struct sockets *sockets, uint16_t port)
{
	unsigned int i;

	for (i = 0; sockets->asked && i < PROBES; i++) {
		struct asked *asked = &sockets->asked[(port * 40503U + i) % MOST_ASKED];

		if (asked->port == port)
			return asked;
	}
	return NULL;
}

void sockets_note_query(struct sockets *sockets, uint16_t port, int64_t at)
{
	struct asked *asked = find_asked(sockets, port), *oldest;
	unsigned int i;

	if (!sockets->asked)
		sockets->asked = calloc(MOST_ASKED, sizeof(*sockets->asked));
	if (!sockets->asked)
		give_up("keep", "ports");
	if (!asked) {
		oldest = &sockets->asked[port * 40503U % MOST_ASKED];
		for (i = 1; i < PROBES; i++) {
			struct asked *other = &sockets->asked[(port * 40503U + i) % MOST_ASKED];

			if (other->at < oldest->at)
				oldest = other;
		}
		asked = oldest;
		*asked = (struct asked){ .port = port };
	}
	asked->at = at;
}

static struct silent *find_silent(struct sockets *sockets, unsigned long inode, int64_t now)
{
	struct silent *free_one = NULL;
	unsigned int i;

	if (!sockets->silent)
		sockets->silent = calloc(MOST_SILENT, sizeof(*sockets->silent));
	if (!sockets->silent)
		give_up("keep", "sockets");
	for (i = 0; i < MOST_SILENT; i++) {
		struct silent *silent = &sockets->silent[i];

		if (silent->inode == inode)
			return silent;
		/* Not seen at the last looks: it is closed. */
		if (!free_one && (!silent->inode || now - silent->seen > 5 * SECOND_NS))
			free_one = silent;
	}
	if (free_one)
		*free_one = (struct silent){ .inode = inode, .since = now, .captured = !sockets->begun };
	return free_one;
}

static void look_at(struct space *space, const struct row *row, int64_t now, const struct wanted *wanted)
{
	struct asked *asked = find_asked(&space->sockets, (uint16_t)row->local_port);
	struct waiting waiting = { .now = now, .port = row->local_port, .inode = row->inode };
	struct silent *silent = NULL;

	if (is_server(wanted, row->remote_port))
		silent = find_silent(&space->sockets, row->inode, now);
	if (silent)
		silent->seen = now;
	if (asked && now - asked->at < FORGOTTEN_NS) {
		waiting.since = asked->at;
		if (now - asked->at >= WAITED_NS && asked->reported != row->inode && owners_report(space, &waiting))
			asked->reported = row->inode;
		if (silent)
			silent->captured = true;
		return;
	}
	if (!silent || silent->captured || now - silent->since < WAITED_NS || now - silent->since > FORGOTTEN_NS)
		return;
	waiting.since = silent->since;
	waiting.remote = row->remote;
	owners_report(space, &waiting);
}

static void look_at_file(struct space *space, const char *name, int64_t now, const struct wanted *wanted)
{
	const int fd = space_open(space, name);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char line[512];
	struct row row;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %*u: %*32[0-9A-F]:%x %32[0-9A-F]:%x %*x %*x:%*x %*x:%*x %*x %*u %*u %lu",
			   &row.local_port, row.remote, &row.remote_port, &row.inode) == 4 && row.inode)
			look_at(space, &row, now, wanted);
	}
	if (file)
		fclose(file);
}

void sockets_look(struct space *space, int64_t now, const struct wanted *wanted)
{
	look_at_file(space, "udp", now, wanted);
	look_at_file(space, "udp6", now, wanted);
	space->sockets.begun = true;
}

void sockets_end(struct sockets *sockets)
{
	free(sockets->asked);
	free(sockets->silent);
}
