// SPDX-License-Identifier: GPL-2.0
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "output.h"
#include "tracefs.h"
#include "tracer.h"

enum {
	/* Probes are set in milliseconds, on a busy emulated machine in seconds. */
	BEGIN_MS = 20000,
	END_MS = 10000,
	AT_ONCE = 64,
	/* 4000 records: a tenth of a second at 40 000 queries a second. */
	PIPE_BYTES = 1 << 20,
};

static int records = -1;
static pid_t tracer;
static char instance[TRACE_NAME_BYTES];
/* Whether the tracer has announced its end. */
static bool refused;

static void print(const struct trace_record *record)
{
	switch (record->kind) {
	case TRACE_BEGUN:
		output_put("traced");
		break;
	case TRACE_CONFIRM:
		output_put("k");
		output_put_number(record->at);
		output_put_number(record->returned);
		output_put_bytes(record->source, record->address_bytes);
		output_put_number(record->source_port);
		output_put_bytes(record->destination, record->address_bytes);
		output_put_number(record->destination_port);
		output_put_number(record->dns_id);
		break;
	case TRACE_LOST:
		output_put("klost %u", record->lost);
		break;
	case TRACE_REFUSED:
		refused = true;
		output_put("untraced");
		output_put_text(record->why);
		break;
	}
	output_end_line();
}

/* A tracer that was killed has removed nothing: another process does, which this one's end does not stop. */
static void clean(void)
{
	if (!refused) {
		output_put("untraced");
		output_put_text("the process that traced was killed");
		output_end_line();
		if (fork() == 0)
			tracer_clean(instance);
	}
	close(records);
	records = -1;
}

bool trace_continue(void)
{
	struct trace_record read_now[AT_ONCE];
	ssize_t got, i;

	do {
		got = read(records, read_now, sizeof(read_now));
		for (i = 0; i < got / (ssize_t)sizeof(*read_now); i++)
			print(&read_now[i]);
	} while (got > 0);
	if (got < 0)
		return true;
	clean();
	return false;
}

int trace_begin(const struct wanted *wanted)
{
	struct pollfd source = { .events = POLLIN };
	const pid_t watcher = getpid();
	int ends[2];

	if (!wanted->data_offset)
		return -1;
	tracefs_name(instance, watcher);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		give_up("make", "a pipe");
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
	tracer = fork();
	if (tracer < 0)
		give_up("start", "a process");
	if (tracer == 0)
		tracer_run(ends[1], watcher, instance, wanted);
	close(ends[1]);
	records = ends[0];
	source.fd = records;
	poll(&source, 1, BEGIN_MS);
	return trace_continue() ? records : -1;
}

void trace_end(void)
{
	struct pollfd source = { .fd = records, .events = POLLIN };

	if (records < 0)
		return;
	/* From here on its end is what was asked for. */
	refused = true;
	kill(tracer, SIGTERM);
	while (poll(&source, 1, END_MS) > 0 && trace_continue())
		;
}
