/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_QUEUE_H
#define LAB_QUEUE_H

#include "lane.h"

/*
 * Starts the verdict program, and waits until it is bound to the queue of that number in each of the lanes
 * first..count-1. Its error output is in /run/lab/verdict.err.
 */
int queue_serve(unsigned int first, unsigned int count, unsigned int queue, char **program);

#endif
