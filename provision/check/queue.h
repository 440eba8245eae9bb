/* SPDX-License-Identifier: GPL-2.0 */
/* The verdict program: holds the two queries until both wait, then releases them one after the other. */
#ifndef CHECK_QUEUE_H
#define CHECK_QUEUE_H

#include <stdbool.h>

#include "../verdict/log.h"

/* Usually two, the queries of a lookup; the rest is a reserve. */
enum { MOST_WAITING = 16 };

struct queue {
	int socket;
	/* Whether all packets but the first are repeated (NF_REPEAT) and logged again. */
	bool looks_again;
	struct log log;
	/* The log of repeated packets. */
	struct log again;
	struct packet waiting[MOST_WAITING];
	unsigned int count;
	/* DNS ids of the expected repeated packets. */
	unsigned int expected[MOST_WAITING];
	unsigned int expects;
};

/* Binds to this namespace's queue, and creates two log files. Ends the program on error. */
void queue_open(struct queue *queue, const char *log, const char *again);

/* Receives packets from the kernel, and releases those that need not wait any more. */
void queue_serve(struct queue *queue);

/* Remaining hold time in milliseconds; -1 when no packet waits. */
int queue_time_left_ms(const struct queue *queue);

#endif
