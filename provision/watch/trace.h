/* SPDX-License-Identifier: GPL-2.0 */
/* Prints what a tracer sees of confirm. */
#ifndef WATCH_TRACE_H
#define WATCH_TRACE_H

#include "watch.h"

/* Starts a tracer if one is wanted, and waits until it traces or tells why it does not; returns a file descriptor that
 * is readable when there is something to print, or -1 without a tracer. */
int trace_begin(const struct wanted *wanted);

/* Prints what was traced; returns whether the tracer goes on. */
bool trace_continue(void);

/* Ends the tracer, and waits until it has removed what it made. */
void trace_end(void);

#endif
