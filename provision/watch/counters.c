// SPDX-License-Identifier: GPL-2.0
/* The kernel's own text is printed; that of conntrack has a line for each processor, and is summed. */
#include "counters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "output.h"
#include "spaces.h"

enum { MOST_COUNTERS = 32, NAME_BYTES = 32 };

struct counters {
	char names[MOST_COUNTERS][NAME_BYTES];
	unsigned long long counts[MOST_COUNTERS];
	unsigned int count;
};

/* Reads a file of a namespace as a text; returns its length, or negative on error. */
static ssize_t read_file(struct space *space, const char *name, char *text, size_t size)
{
	const int fd = space_open(space, name);

	return fd < 0 ? -1 : file_read_all(fd, text, size);
}

/* FNV-1a. */
static uint64_t hash(const void *bytes, size_t length)
{
	const unsigned char *from = bytes;
	uint64_t value = 0xcbf29ce484222325;
	size_t i;

	for (i = 0; i < length; i++)
		value = (value ^ from[i]) * 0x100000001b3;
	return value;
}

/* The first line has the names; "entries" is the same in each processor's line. */
static void sum(struct counters *counters, char *text)
{
	char *line, *word, *lines, *words;

	counters->count = 0;
	line = strtok_r(text, "\n", &lines);
	for (word = line ? strtok_r(line, " ", &words) : NULL; word && counters->count < MOST_COUNTERS;
	     word = strtok_r(NULL, " ", &words)) {
		counters->counts[counters->count] = 0;
		snprintf(counters->names[counters->count++], NAME_BYTES, "%s", word);
	}
	while ((line = strtok_r(NULL, "\n", &lines))) {
		unsigned int i = 0;

		for (word = strtok_r(line, " ", &words); word && i < counters->count;
		     word = strtok_r(NULL, " ", &words), i++) {
			const unsigned long long value = strtoull(word, NULL, 16);

			if (strcmp(counters->names[i], "entries") == 0)
				counters->counts[i] = value;
			else
				counters->counts[i] += value;
		}
	}
}

static void report_conntrack(struct space *space)
{
	/* A line of 17 numbers for each processor. */
	static char text[1 << 18];
	struct counters counters;
	uint64_t value;
	unsigned int i;

	if (read_file(space, "stat/nf_conntrack", text, sizeof(text)) <= 0)
		return;
	sum(&counters, text);
	value = hash(counters.counts, counters.count * sizeof(*counters.counts));
	if (value == space->counters)
		return;
	space->counters = value;
	/* The time after reading: what has happened by then may be counted. */
	output_put("c %u %lld", space->number, (long long)clocks_now().monotonic);
	for (i = 0; i < counters.count; i++)
		output_put(" %s=%llu", counters.names[i], counters.counts[i]);
	output_end_line();
}

static void report_queues(struct space *space)
{
	static char text[8192];
	const ssize_t length = read_file(space, "netfilter/nfnetlink_queue", text, sizeof(text));
	uint64_t value;

	if (length < 0 || (!length && !space->queues))
		return;
	value = hash(text, (size_t)length);
	if (value == space->queues)
		return;
	space->queues = value;
	output_put("q %u %lld", space->number, (long long)clocks_now().monotonic);
	output_put_text(text);
	output_end_line();
}

void counters_report(struct space *space)
{
	report_conntrack(space);
	report_queues(space);
}

void configuration_report(struct space *space, int64_t now)
{
	char text[FILE_BYTES];

	space->configured_at = now;
	if (!space->holder || resolver_file_read(space->holder, text, sizeof(text)) < 0)
		return;
	output_put("conf %u", space->number);
	output_put_text(text);
	output_end_line();
}
