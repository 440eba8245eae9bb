/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_QUEUE_H
#define LAB_QUEUE_H

#include "lane.h"

/*
 * Starts a verdict program in each of "count" lanes, and returns when each is handed the packets of its lane's queue
 * of that number. What a program says lies in the lane's verdict.err.
 */
int queue_serve(unsigned int count, unsigned int queue, char **program);

#endif
