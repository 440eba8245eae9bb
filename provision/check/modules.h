/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel modules that are there for the check only. */
#ifndef CHECK_MODULES_H
#define CHECK_MODULES_H

#include <stdbool.h>

enum { MOST_MODULES = 64, MODULE_NAME_BYTES = 64 };

struct modules {
	/* Those that may be loaded, each behind those that it needs. */
	char names[MOST_MODULES][MODULE_NAME_BYTES];
	unsigned int count;
};

/* Reads names with spaces between them; false when there are too many, or one is no name. */
bool modules_read(struct modules *modules, const char *text);

/*
 * Loads those that are not loaded yet, by a process which outlives this one and
 * unloads them when this one has ended, or says that it has done with them:
 * even if it is killed. What that process has loaded is noted in a file, so
 * that not even its own violent end leaves them behind for ever: what the notes
 * of such ones name is unloaded, too. Does nothing when there is nothing to
 * load and no such note. Ends the program when a module cannot be loaded.
 */
void modules_load(const struct modules *modules);

/* Says that they are not needed any more, and waits until they are gone, or others use them. */
void modules_unload(void);

#endif
