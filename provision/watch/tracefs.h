/* SPDX-License-Identifier: GPL-2.0 */
/* Kprobe events on __nf_conntrack_confirm, in an instance of tracefs of the watch's own. */
#ifndef WATCH_TRACEFS_H
#define WATCH_TRACEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch.h"

enum {
	MOST_CPUS = 1024,
	/* Bytes of a packet that an event has: an IPv6 header, ports, and the DNS id. */
	HEADER_BYTES = 56,
	HEADER_WORDS = HEADER_BYTES / 8,
	TRACE_NAME_BYTES = 48,
	TRACE_WHY_BYTES = 160,
};

/* Where a field is in an event's record, by the event's "format". */
struct trace_field {
	unsigned int at, size;
};

/* The instance and its events. */
struct tracefs {
	/* Of the instance, and of the group of events. */
	char name[TRACE_NAME_BYTES];
	/* Types in the records of both events. */
	unsigned int confirming, confirm;
	struct trace_field type, flags, pid, words[HEADER_WORDS], returned;
	/* The buffers of the processors; -1 for none. */
	int buffers[MOST_CPUS];
	unsigned int cpus;
};

/* Writes the name of a watch's instance. */
void tracefs_name(char *name, pid_t watcher);

/*
 * Mounts tracefs in a mount namespace of this process's own, which the machine does not see. Returns false with the
 * reason.
 */
bool tracefs_mount(char *why);

/* Makes the instance and its events, and enables them; returns false with the reason, and what it made remains. */
bool tracefs_begin(struct tracefs *tracefs, const struct wanted *wanted, char *why);

/* Records only packets to ports of DNS servers from now on, where the kernel can. */
void tracefs_filter(const struct tracefs *tracefs, const struct wanted *wanted);

/* Removes the instance and the events of this name, as far as they exist. */
void tracefs_remove(const char *name);

/* Closes the buffers, which keep the instance. */
void tracefs_close(struct tracefs *tracefs);

#endif
