/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The process that traces confirm. It makes what is in tracefs, and removes it
 * when the watch ends, however that ends.
 */
#ifndef WATCH_TRACER_H
#define WATCH_TRACER_H

#include <stdint.h>

#include "tracefs.h"
#include "watch.h"

enum trace_kind { TRACE_BEGUN, TRACE_CONFIRM, TRACE_LOST, TRACE_REFUSED };

/* What it sends to the watch. */
struct trace_record {
	enum trace_kind kind;
	/* TRACE_LOST: events, at least. */
	unsigned int lost;
	/* TRACE_CONFIRM: a query that was passed to confirm, and confirm's return value (NF_DROP, NF_ACCEPT). */
	uint32_t returned;
	int64_t at;
	uint8_t source[16], destination[16];
	unsigned int address_bytes;
	uint16_t source_port, destination_port, dns_id;
	/* TRACE_REFUSED: why confirm is not traced. */
	char why[TRACE_WHY_BYTES];
};

/* Traces until the watch, its parent, has ended, and ends the process; "name" is that of the instance. */
void tracer_run(int output, pid_t watcher, const char *name, const struct wanted *wanted) __attribute__((noreturn));

/* Removes what a tracer has left that was killed, and ends the process. */
void tracer_clean(const char *name) __attribute__((noreturn));

#endif
