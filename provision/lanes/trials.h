/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_TRIALS_H
#define LAB_TRIALS_H

#include "lane.h"

struct batch {
	/* The number of lanes. The file "limit" (NULL: none) may contain a lower number of lanes to use at once. */
	unsigned int lanes;
	const char *limit;
	/* The trials' numbers. */
	unsigned int first;
	unsigned int count;
	/* Run as "BESIDE begin LANE" before each trial's client and as "BESIDE end LANE" after it; NULL for none. */
	char *beside;
	/* Suffix of the namespaces behind the lanes in which the clients run; NULL: they run in the lanes. */
	const char *behind;
	/* The client; with a bound (seconds, 0: none), it is ended after it. */
	char **client;
	unsigned int bound_s;
	/* The client's name, if it prints no timings: the whole program is timed then, and its output ignored. */
	const char *timed;
};

/*
 * Runs trials, at most one per lane at a time, and writes the raw files of each to standard output as soon as it has
 * ended: a tar archive with one directory per trial.
 */
int trials_make(const struct batch *batch);

#endif
