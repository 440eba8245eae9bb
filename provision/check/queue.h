/* SPDX-License-Identifier: GPL-2.0 */
/* The queue's verdict program: holds the two queries until both wait, then lets them go one after the other. */
#ifndef CHECK_QUEUE_H
#define CHECK_QUEUE_H

#include <stdbool.h>

#include "../verdict/log.h"

/* More than the two queries of a lookup never wait; the rest is for what nobody foresaw. */
enum { MOST_WAITING = 16 };

struct queue {
	int socket;
	/* Whether all but the first are looked at once more when they come back from the queue. */
	bool looks_again;
	struct log log;
	/* What was seen then. */
	struct log again;
	struct packet waiting[MOST_WAITING];
	unsigned int count;
	/* DNS ids of those that come again. */
	unsigned int expected[MOST_WAITING];
	unsigned int expects;
};

/* Binds to this namespace's queue, and writes its logs into two new files. Ends the program if it cannot. */
void queue_open(struct queue *queue, const char *log, const char *again);

/* Takes what the kernel has, and lets go of what need not wait any more. */
void queue_serve(struct queue *queue);

/* How long what waits may still be held, in milliseconds; -1 when nothing waits. */
int queue_time_left_ms(const struct queue *queue);

#endif
