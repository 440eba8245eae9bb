/* SPDX-License-Identifier: GPL-2.0 */
/* One trial, in two network namespaces without names, which end with their processes. */
#ifndef CHECK_TRIAL_H
#define CHECK_TRIAL_H

#include <stdbool.h>

#include "rule.h"

struct plan {
	unsigned int trials;
	/* Number of trials, the last ones, that repeat packets (NF_REPEAT) and log them again. */
	unsigned int again;
	/* The implementation of the rules. */
	const struct rules *rules;
	/* Whether the two queries are mapped to two servers by DNAT. */
	bool behind_dnat;
};

/* Runs a trial in this process, and writes its raw files to standard output as "0001/NAME". */
void trial_run(const struct plan *plan, unsigned int number) __attribute__((noreturn));

#endif
