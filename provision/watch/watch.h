/* SPDX-License-Identifier: GPL-2.0 */
/* Definitions shared by the parts of the watch. */
#ifndef WATCH_WATCH_H
#define WATCH_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Exit statuses, EXIT_USAGE and EXIT_BROKEN, and give_up(), which ends the program. */
#include "../lanes/lane.h"

enum { MOST_PORTS = 8, MOST_SPACES = 1024 };

/* What the watch was asked for. */
struct wanted {
	/* Ports of DNS servers. */
	uint16_t ports[MOST_PORTS];
	unsigned int port_count;
	/* Whether names are replaced before they are printed. */
	bool hides_names;
	/* Ends after this time; 0 for no limit. */
	unsigned int seconds;
	/* Looks this name up; NULL for none. */
	const char *name;
	unsigned int lookups;
	/* Offset of struct sk_buff's member data, to trace confirm; 0 for no trace. */
	unsigned int data_offset;
};

/* Returns whether it is a port of DNS servers. */
bool is_server(const struct wanted *wanted, unsigned int port);

/* Two clocks, read at one moment, in nanoseconds. */
struct clocks {
	int64_t monotonic;
	int64_t realtime;
};

struct clocks clocks_now(void);

#define SECOND_NS 1000000000LL

#endif
