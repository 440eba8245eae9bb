/* SPDX-License-Identifier: GPL-2.0 */
/* Several lanes, each with its own queue, served by one process each without starting the program for each. */
#ifndef LANES_H
#define LANES_H

#include <stdbool.h>

enum { MOST_LANES = 128 };

struct lanes {
	unsigned int first;
	unsigned int last;
};

/* Parses "FIRST-LAST"; returns whether these are lanes. */
bool parse_lanes(const char *text, struct lanes *lanes);

/*
 * Enters the network namespaces of lanes, lab-laneFIRST and following, and returns there, with "{lane}" in "text"
 * replaced by the lane's name; NULL on error, with errno. If there are several, it returns in a process for each; the
 * program's own waits and ends when all have ended, or with the exit status of the first one that fails, and the others
 * with it.
 */
const char *enter_a_lane(const struct lanes *lanes, const char *text);

#endif
