/* SPDX-License-Identifier: GPL-2.0 */
/* The packet socket of a namespace. */
#ifndef WATCH_TAP_H
#define WATCH_TAP_H

#include "watch.h"

struct space;

/* Opens a packet socket for all links of the current namespace; negative on error. */
int tap_open(const struct wanted *wanted);

/* Relates the kernel's timestamps, by the realtime clock, to the monotonic one; called before packets are received. */
void tap_set_clocks(struct clocks now, const struct wanted *wanted);

/* Prints the packets received so far, and returns their number. */
unsigned int tap_receive(struct space *space);

/* Prints how many packets the kernel had no room for. */
void tap_report_lost(const struct space *space);

#endif
