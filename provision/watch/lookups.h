/* SPDX-License-Identifier: GPL-2.0 */
/* Lookups by the machine's own resolver, one after the other. */
#ifndef WATCH_LOOKUPS_H
#define WATCH_LOOKUPS_H

#include <stdbool.h>

#include "watch.h"

/* Starts the first one; returns a file descriptor that is readable when one has ended, or -1 without lookups. */
int lookups_begin(const struct wanted *wanted);

/* Prints a lookup that has ended, and starts the next one; returns whether all have ended. */
bool lookups_continue(const struct wanted *wanted);

#endif
