/* SPDX-License-Identifier: GPL-2.0 */
/* One trial, in two network namespaces that have no name and end with the processes that are in them. */
#ifndef CHECK_TRIAL_H
#define CHECK_TRIAL_H

#include <stdbool.h>

struct plan {
	unsigned int trials;
	/* So many of them, the last ones, look again at the packets that come back from the queue. */
	unsigned int again;
	/* Makes the rule that queues. */
	void (*make_rule)(void);
};

/* Makes a trial in this process, and sends its raw files to standard output, as "0001/NAME". */
void trial_run(const struct plan *plan, unsigned int number) __attribute__((noreturn));

#endif
