// SPDX-License-Identifier: GPL-2.0
/*
 * The events are written to kprobe_events, which all tracers of a machine
 * share: lines are only appended to it, and only those of the own group are
 * removed. An instance has its own buffers, and events are enabled in it alone.
 */
#include "tracefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"

#define PREFIX "lab_watch_"

/* What is probed. Tests probe a function of a program instead, on kernels that have only uprobe_events. */
#ifndef PROBED
#define PROBE_EVENTS "kprobe_events"
#define PROBED "__nf_conntrack_confirm"
#endif

/* Any directory that every machine has: only this process sees what is mounted there. */
#define MOUNTED "/sys"

/* The first argument of a function, by its register. */
#if defined(__x86_64__)
#define FIRST_ARGUMENT "%di"
#elif defined(__aarch64__)
#define FIRST_ARGUMENT "%x0"
#endif

enum {
	/* Of one processor: 2000 packets, and the buffers are read ten times a second. */
	BUFFER_KB = 256,
	/* The instance may be in use by a process that is just ending; on an emulated machine each try takes seconds. */
	REMOVE_TRIES = 600,
	REMOVE_PAUSE_MS = 50,
	/* Most events of watches that were killed, together with their tracers. */
	MOST_LEFT = 16,
	PATH_BYTES = 128,
};

/* tracefs is a separate file system since 4.1; before, it is a directory of debugfs. */
static const char *root = MOUNTED;

static bool fail(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(char *why, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, TRACE_WHY_BYTES, format, arguments);
	va_end(arguments);
	return false;
}

static int open_in(int flags, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int open_in(int flags, const char *format, ...)
{
	char path[256];
	int length = snprintf(path, sizeof(path), "%s/", root);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path + length, sizeof(path) - (size_t)length, format, arguments);
	va_end(arguments);
	return open(path, flags | O_CLOEXEC);
}

/* Writes a text by one write(), and closes the file; returns 0, or -1 with errno. */
static int put(int fd, const char *text)
{
	const size_t length = strlen(text);
	ssize_t written;
	int error;

	if (fd < 0)
		return -1;
	written = write(fd, text, length);
	error = errno;
	close(fd);
	errno = error;
	return written == (ssize_t)length ? 0 : -1;
}

void tracefs_name(char *name, pid_t watcher)
{
	snprintf(name, TRACE_NAME_BYTES, PREFIX "%d_%llx", (int)watcher, (long long)clocks_now().monotonic);
}

bool tracefs_mount(char *why)
{
	/* Without its own copy of the mounts, what it mounts would be the machine's. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fail(why, "a mount namespace cannot be made: %s", strerror(errno));
	if (mount("nodev", MOUNTED, "tracefs", 0, NULL) == 0)
		return true;
	if (mount("nodev", MOUNTED, "debugfs", 0, NULL) < 0)
		return fail(why, "tracefs cannot be mounted: %s", strerror(errno));
	root = MOUNTED "/tracing";
	return access(root, F_OK) == 0 || fail(why, "this kernel has no tracefs");
}

/* Writes the path of an instance, or of a group of events. */
static void put_path(char *path, const char *directory, const char *name)
{
	snprintf(path, PATH_BYTES, "%s/%s/%.*s", root, directory, TRACE_NAME_BYTES, name);
}

static void remove_instance(const char *name)
{
	char path[PATH_BYTES];

	put_path(path, "instances", name);
	rmdir(path);
}

static bool exists(const char *directory, const char *name)
{
	char path[PATH_BYTES];

	put_path(path, directory, name);
	return access(path, F_OK) == 0;
}

static void remove_event(const char *group, const char *event)
{
	char line[PATH_BYTES];

	snprintf(line, sizeof(line), "-:%.*s/%s\n", TRACE_NAME_BYTES, group, event);
	put(open_in(O_WRONLY | O_APPEND, PROBE_EVENTS), line);
}

static void remove_events(const char *name)
{
	put(open_in(O_WRONLY, "instances/%s/events/%s/enable", name, name), "0");
	remove_event(name, "confirm");
	remove_event(name, "confirming");
}

void tracefs_remove(const char *name)
{
	const struct timespec pause = { .tv_nsec = REMOVE_PAUSE_MS * 1000000L };
	unsigned int tries;

	for (tries = 0; tries < REMOVE_TRIES; tries++) {
		remove_events(name);
		remove_instance(name);
		if (!exists("instances", name) && !exists("events", name))
			return;
		nanosleep(&pause, NULL);
	}
}

/*
 * What watches have left that were killed at one moment with their tracers: an instance that no process has open can
 * be removed, and events without an instance are of none.
 */
static void remove_left(void)
{
	char left[MOST_LEFT][TRACE_NAME_BYTES];
	static const char *const directories[] = { "instances", "events" };
	unsigned int count = 0, i;

	for (i = 0; i < 2; i++) {
		char path[PATH_BYTES];
		struct dirent *entry;
		DIR *opened;

		put_path(path, directories[i], "");
		opened = opendir(path);
		while (opened && count < MOST_LEFT && (entry = readdir(opened)))
			if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0)
				snprintf(left[count++], TRACE_NAME_BYTES, "%.*s", TRACE_NAME_BYTES - 1, entry->d_name);
		if (opened)
			closedir(opened);
	}
	for (i = 0; i < count; i++) {
		remove_instance(left[i]);
		if (!exists("instances", left[i]))
			remove_events(left[i]);
	}
}

/* Finds a field's place in the text of an event's "format". */
static bool find_field(const char *format, const char *name, struct trace_field *field)
{
	char wanted[32];
	const char *found;

	snprintf(wanted, sizeof(wanted), " %s;", name);
	found = strstr(format, wanted);
	return found && sscanf(found + strlen(wanted), " offset:%u; size:%u;", &field->at, &field->size) == 2;
}

static bool read_formats(struct tracefs *tracefs)
{
	char format[FILE_BYTES], word[8];
	const char *id;
	unsigned int i;
	bool all;

	if (file_read_all(open_in(O_RDONLY, "events/%s/confirm/format", tracefs->name), format, sizeof(format)) <= 0)
		return false;
	id = strstr(format, "ID: ");
	all = id && sscanf(id, "ID: %u", &tracefs->confirm) == 1 && find_field(format, "ret", &tracefs->returned);
	if (file_read_all(open_in(O_RDONLY, "events/%s/confirming/format", tracefs->name), format, sizeof(format)) <= 0)
		return false;
	id = strstr(format, "ID: ");
	all = all && id && sscanf(id, "ID: %u", &tracefs->confirming) == 1;
	for (i = 0; i < HEADER_WORDS; i++) {
		snprintf(word, sizeof(word), "b%u", i);
		all = all && find_field(format, word, &tracefs->words[i]) && tracefs->words[i].size == 8;
	}
	/* These are the same in all events. */
	return all && find_field(format, "common_type", &tracefs->type) && tracefs->type.size == 2 &&
	       find_field(format, "common_flags", &tracefs->flags) && tracefs->flags.size == 1 &&
	       find_field(format, "common_pid", &tracefs->pid) && tracefs->pid.size == 4 && tracefs->returned.size == 4;
}

static void open_buffers(struct tracefs *tracefs)
{
	const long configured = sysconf(_SC_NPROCESSORS_CONF);
	const struct rlimit limit = { MOST_CPUS + 64, MOST_CPUS + 64 };
	unsigned int i;

	setrlimit(RLIMIT_NOFILE, &limit);
	tracefs->cpus = configured > 0 && configured < MOST_CPUS ? (unsigned int)configured : MOST_CPUS;
	for (i = 0; i < tracefs->cpus; i++)
		tracefs->buffers[i] = open_in(O_RDONLY | O_NONBLOCK, "instances/%s/per_cpu/cpu%u/trace_pipe_raw",
					      tracefs->name, i);
}

void tracefs_close(struct tracefs *tracefs)
{
	unsigned int i;

	for (i = 0; i < tracefs->cpus; i++)
		if (tracefs->buffers[i] >= 0)
			close(tracefs->buffers[i]);
	tracefs->cpus = 0;
}

#ifdef FIRST_ARGUMENT
static bool make_events(const struct tracefs *tracefs, unsigned int data_offset, char *why)
{
	char line[1024], ip[64];
	int length;
	unsigned int i;

	/* skb->data, which is at the IP header in the hooks that confirm. */
	snprintf(ip, sizeof(ip), "+%u(%s)", data_offset, FIRST_ARGUMENT);
	length = snprintf(line, sizeof(line), "p:%s/confirming " PROBED, tracefs->name);
	for (i = 0; i < HEADER_WORDS; i++)
		length += snprintf(line + length, sizeof(line) - (size_t)length, " b%u=+%u(%s):u64", i, i * 8, ip);
	snprintf(line + length, sizeof(line) - (size_t)length, " dport=+22(%s):u16 dport6=+42(%s):u16\n", ip, ip);
	if (put(open_in(O_WRONLY | O_APPEND, PROBE_EVENTS), line) < 0) {
		if (errno == EPERM || errno == EACCES)
			return fail(why, "this kernel refuses kprobe events: %s (locked down?)", strerror(errno));
		return fail(why, "__nf_conntrack_confirm cannot be probed: %s (is nf_conntrack loaded?)", strerror(errno));
	}
	snprintf(line, sizeof(line), "r:%s/confirm " PROBED " ret=$retval:u32\n", tracefs->name);
	if (put(open_in(O_WRONLY | O_APPEND, PROBE_EVENTS), line) < 0)
		return fail(why, "the return of __nf_conntrack_confirm cannot be probed: %s", strerror(errno));
	return true;
}
#endif

bool tracefs_begin(struct tracefs *tracefs, const struct wanted *wanted, char *why)
{
#ifdef FIRST_ARGUMENT
	char path[PATH_BYTES], size[16];
	const int events = open_in(O_WRONLY | O_APPEND, PROBE_EVENTS);

	if (events < 0 && errno != ENOENT)
		return fail(why, "this kernel refuses kprobe events: %s (locked down?)", strerror(errno));
	if (events < 0)
		return fail(why, "this kernel has no kprobe events");
	close(events);
	remove_left();
	put_path(path, "instances", tracefs->name);
	if (mkdir(path, 0700) < 0)
		return fail(why, "an instance of tracefs cannot be made: %s", strerror(errno));
	snprintf(size, sizeof(size), "%d", BUFFER_KB);
	put(open_in(O_WRONLY, "instances/%s/buffer_size_kb", tracefs->name), size);
	/* Before there are events: an open buffer keeps the instance from others who remove what is left. */
	open_buffers(tracefs);
	if (!make_events(tracefs, wanted->data_offset, why))
		return false;
	if (!read_formats(tracefs))
		return fail(why, "this kernel describes its events in another way");
	if (put(open_in(O_WRONLY, "instances/%s/events/%s/enable", tracefs->name, tracefs->name), "1") < 0)
		return fail(why, "the events on __nf_conntrack_confirm cannot be enabled: %s", strerror(errno));
	return true;
#else
	(void)tracefs;
	(void)wanted;
	return fail(why, "the register of a function's first argument is not known for this processor");
#endif
}

void tracefs_filter(const struct tracefs *tracefs, const struct wanted *wanted)
{
	char filter[512] = "";
	size_t length = 0;
	unsigned int i;

	/* As the processor reads them: the bytes are in network order. */
	for (i = 0; i < wanted->port_count; i++) {
		const unsigned int port = (unsigned int)(wanted->ports[i] >> 8 | (wanted->ports[i] & 0xff) << 8);

		length += (size_t)snprintf(filter + length, sizeof(filter) - length, "%sdport == %u || dport6 == %u",
					   length ? " || " : "", port, port);
	}
	put(open_in(O_WRONLY, "instances/%s/events/%s/confirming/filter", tracefs->name, tracefs->name), filter);
}
