/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_EACH_H
#define LAB_EACH_H

#include "lane.h"

/*
 * Runs a command in each of "count" lanes, some in parallel, with "input" (NULL for none) as its standard input.
 * Returns the exit status of a failed one, else 0.
 */
int each_run(unsigned int count, const char *input, char **command);

/*
 * Ends all processes in the network namespaces whose names begin with "prefix": by SIGTERM, and after some seconds by
 * SIGKILL.
 */
int each_clear(const char *prefix);

#endif
