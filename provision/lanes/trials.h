/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_TRIALS_H
#define LAB_TRIALS_H

#include "lane.h"

struct batch {
	/* How many lanes there are at most. Fewer are used at once when the file "limit" (NULL: none) says so, a number. */
	unsigned int lanes;
	const char *limit;
	/* The trials' numbers. */
	unsigned int first;
	unsigned int count;
	/* Run as "BESIDE begin LANE" before each trial's client and as "BESIDE end LANE" after it. NULL: nothing is. */
	char *beside;
	/* The client. */
	char **client;
};

/*
 * Makes trials, as many at a time as there are lanes, and writes the raw files of each to standard output as soon as it
 * has ended: a tar archive with a directory a trial.
 */
int trials_make(const struct batch *batch);

#endif
