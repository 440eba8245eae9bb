// SPDX-License-Identifier: GPL-2.0
/*
 * A packet socket stays in the namespace in which it was opened, and keeps it
 * alive: a namespace without processes ends when its socket is closed, at most
 * a second later.
 */
#include "spaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "files.h"
#include "output.h"
#include "processes.h"
#include "tap.h"

/* linux/magic.h of some distributions lacks it. */
#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif

/* Files that are open besides those of the namespaces. */
enum { SPARE_FILES = 64 };

static const char *const directories[] = { "/run/netns", "/run/docker/netns" };

static struct space *spaces[MOST_SPACES];
static unsigned int space_count, next_number;
static unsigned long refused[MOST_SPACES];
static unsigned int refused_count;
static int own = -1;

void spaces_begin(void)
{
	const rlim_t most = MOST_SPACES * (MOST_FILES + 1) + SPARE_FILES;
	const struct rlimit limit = { most, most };

	setrlimit(RLIMIT_NOFILE, &limit);
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		give_up("open", "/proc/self/ns/net");
}

struct space **spaces_all(unsigned int *count)
{
	*count = space_count;
	return spaces;
}

static void leave(void)
{
	if (setns(own, CLONE_NEWNET) < 0)
		give_up("return to", "the own network namespace");
}

static int open_namespace(pid_t holder, const char *name)
{
	char path[128];

	if (holder)
		snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)holder);
	else
		snprintf(path, sizeof(path), "%s", name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * Opens a file in a namespace without processes, once: while this process is in another namespace, `ip netns pids` lists
 * it there, and scripts end what that lists.
 */
static int keep_open(struct space *space, const char *name)
{
	char path[96];
	int network, fd;

	snprintf(path, sizeof(path), "/proc/self/net/%s", name);
	/* A file of a module that is not loaded is missing in all namespaces. */
	if (space->file_count == MOST_FILES || access(path, F_OK) < 0)
		return -1;
	network = open_namespace(0, space->name);
	if (network < 0 || setns(network, CLONE_NEWNET) < 0) {
		if (network >= 0)
			close(network);
		return -1;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	leave();
	close(network);
	if (fd >= 0) {
		space->files[space->file_count].name = name;
		space->files[space->file_count++].fd = fd;
	}
	return fd;
}

int space_open(struct space *space, const char *name)
{
	char path[96];
	unsigned int i = 0;
	int fd;

	if (space->holder) {
		snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)space->holder, name);
		return open(path, O_RDONLY | O_CLOEXEC);
	}
	while (i < space->file_count && strcmp(space->files[i].name, name) != 0)
		i++;
	fd = i < space->file_count ? space->files[i].fd : keep_open(space, name);
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* The host name in a process's environment, by which Kubernetes and Docker name a container. */
static void put_host_name(pid_t pid)
{
	static const char variable[] = "HOSTNAME=";
	static char environment[65536];
	const char *found = "";
	ssize_t length = pid ? process_file_read(pid, "environ", environment, sizeof(environment)) : 0;
	ssize_t at;

	for (at = 0; at < length; at += (ssize_t)strlen(environment + at) + 1)
		if (strncmp(environment + at, variable, sizeof(variable) - 1) == 0)
			found = environment + at + sizeof(variable) - 1;
	output_put_bytes(found, strnlen(found, 255));
}

static void report(const struct space *space)
{
	output_put("net %u %lu %d", space->number, space->inode, (int)space->holder);
	process_put_names(space->holder);
	put_host_name(space->holder);
	output_put_text(space->name);
	output_end_line();
}

static bool is_refused(unsigned long inode)
{
	unsigned int i;

	for (i = 0; i < refused_count; i++)
		if (refused[i] == inode)
			return true;
	return false;
}

/* Reported once. */
static void refuse(unsigned long inode, const char *why)
{
	output_put("missing %lu", inode);
	output_put_text(why);
	output_end_line();
	if (refused_count < MOST_SPACES)
		refused[refused_count++] = inode;
}

/* Returns a packet socket in a namespace; negative on error, of which errno has the reason. */
static int open_tap(pid_t holder, const char *name, const struct wanted *wanted)
{
	const int network = open_namespace(holder, name);
	int tap, error;

	if (network < 0)
		return -1;
	if (setns(network, CLONE_NEWNET) < 0) {
		error = errno;
		close(network);
		errno = error;
		return -1;
	}
	tap = tap_open(wanted);
	error = errno;
	leave();
	close(network);
	errno = error;
	return tap;
}

static void find(unsigned long inode, pid_t holder, const char *name, const struct wanted *wanted, int poller)
{
	struct epoll_event event = { .events = EPOLLIN };
	static unsigned int last;
	struct space *space;
	unsigned int i;
	int tap;

	for (i = 0; i < space_count; i++) {
		const unsigned int at = (last + i) % space_count;

		if (spaces[at]->inode != inode)
			continue;
		last = at;
		/* The first process is the oldest one in most cases; a namespace with a name may have none any more. */
		if (!spaces[at]->seen)
			spaces[at]->holder = holder;
		spaces[at]->seen = true;
		if (*name && !*spaces[at]->name) {
			snprintf(spaces[at]->name, sizeof(spaces[at]->name), "%s", name);
			report(spaces[at]);
		}
		return;
	}
	if (is_refused(inode))
		return;
	if (space_count == MOST_SPACES) {
		refuse(inode, "there are too many");
		return;
	}
	tap = open_tap(holder, name, wanted);
	if (tap < 0) {
		/* A process that has ended is no error. */
		if (errno != ENOENT && errno != ESRCH)
			refuse(inode, strerror(errno));
		return;
	}
	space = calloc(1, sizeof(*space));
	if (!space)
		give_up("keep", "a network namespace");
	*space = (struct space){ .number = next_number++, .inode = inode, .holder = holder, .seen = true, .tap = tap };
	snprintf(space->name, sizeof(space->name), "%s", name);
	event.data.ptr = space;
	epoll_ctl(poller, EPOLL_CTL_ADD, tap, &event);
	spaces[space_count++] = space;
	report(space);
}

static void find_named(const char *directory, const struct wanted *wanted, int poller)
{
	DIR *opened = opendir(directory);
	struct dirent *entry;
	struct statfs system;
	struct stat status;
	char path[64];

	while (opened && (entry = readdir(opened))) {
		const int length = snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);

		if (entry->d_name[0] == '.' || length >= (int)sizeof(path) || statfs(path, &system) < 0 ||
		    (system.f_type != NSFS_MAGIC && system.f_type != PROC_SUPER_MAGIC) || stat(path, &status) < 0)
			continue;
		find(status.st_ino, 0, path, wanted, poller);
	}
	if (opened)
		closedir(opened);
}

static void forget(unsigned int which)
{
	struct space *space = spaces[which];
	unsigned int i;

	tap_receive(space);
	output_put("gone %u", space->number);
	output_end_line();
	/* This removes it from the poller, too. */
	close(space->tap);
	for (i = 0; i < space->file_count; i++)
		close(space->files[i].fd);
	sockets_end(&space->sockets);
	free(space);
	spaces[which] = spaces[--space_count];
}

void spaces_look(const struct wanted *wanted, int poller)
{
	const struct process *processes;
	unsigned int count, i;

	processes_look();
	for (i = 0; i < space_count; i++)
		spaces[i]->seen = false;
	processes = processes_all(&count);
	for (i = 0; i < count; i++)
		if (processes[i].network)
			find(processes[i].network, processes[i].pid, "", wanted, poller);
	for (i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		find_named(directories[i], wanted, poller);
	for (i = space_count; i-- > 0;)
		if (!spaces[i]->seen)
			forget(i);
}
