/* SPDX-License-Identifier: GPL-2.0 */
/* A namespace's counters of conntrack, and its queues to user space. */
#ifndef WATCH_COUNTERS_H
#define WATCH_COUNTERS_H

#include "watch.h"

struct space;

/* Prints them if they have changed. */
void counters_report(struct space *space);

/* Prints resolv.conf as a process of the namespace sees it. */
void configuration_report(struct space *space, int64_t now);

#endif
