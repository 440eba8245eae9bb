// SPDX-License-Identifier: GPL-2.0
#include "owners.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "processes.h"
#include "spaces.h"

enum { MOST_KNOWN = 64, PAUSE_FACTOR = 100 };

struct owner {
	unsigned long inode;
	pid_t pid;
};

static struct owner known[MOST_KNOWN];
static unsigned int next_known;
/* No search before this time. */
static int64_t pause_until;

static bool has_socket(pid_t pid, const char *wanted)
{
	char path[64], link[64];
	struct dirent *entry;
	bool found = false;
	ssize_t length;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	directory = opendir(path);
	while (directory && !found && (entry = readdir(directory))) {
		length = readlinkat(dirfd(directory), entry->d_name, link, sizeof(link) - 1);
		if (length <= 0)
			continue;
		link[length] = '\0';
		found = strcmp(link, wanted) == 0;
	}
	if (directory)
		closedir(directory);
	return found;
}

static pid_t search(const struct space *space, unsigned long inode)
{
	const struct process *processes;
	unsigned int count;
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	processes = processes_all(&count);
	/* The youngest processes first: they are the ones that look something up and end. */
	while (count-- > 0)
		if (processes[count].network == space->inode && has_socket(processes[count].pid, wanted))
			return processes[count].pid;
	return 0;
}

/* Returns whether the process was looked for; sets it to 0 if it was not found. */
static bool find(const struct space *space, unsigned long inode, pid_t *pid)
{
	int64_t begun;
	unsigned int i;

	for (i = 0; i < MOST_KNOWN; i++) {
		if (known[i].inode == inode) {
			*pid = known[i].pid;
			return true;
		}
	}
	*pid = 0;
	begun = clocks_now().monotonic;
	if (begun < pause_until)
		return false;
	*pid = search(space, inode);
	pause_until = clocks_now().monotonic;
	pause_until += (pause_until - begun) * PAUSE_FACTOR;
	if (*pid) {
		known[next_known] = (struct owner){ .inode = inode, .pid = *pid };
		next_known = (next_known + 1) % MOST_KNOWN;
	}
	return true;
}

bool owners_report(const struct space *space, const struct waiting *waiting)
{
	pid_t pid;
	const bool searched = find(space, waiting->inode, &pid);

	/* A socket of which no packet was captured is reported in any case. */
	if (!pid && !waiting->remote)
		return searched;
	output_put("%s %u %lld %lld %u %lu %s %d", waiting->remote ? "s" : "o", space->number, (long long)waiting->now,
		   (long long)waiting->since, waiting->port, waiting->inode, waiting->remote ? waiting->remote : "-",
		   (int)pid);
	process_put_names(pid);
	output_end_line();
	return searched;
}
