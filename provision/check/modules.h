/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel modules that are loaded only for the check. */
#ifndef CHECK_MODULES_H
#define CHECK_MODULES_H

#include <stdbool.h>

enum { MOST_MODULES = 64, MODULE_NAME_BYTES = 64 };

struct modules {
	/* The modules to load, dependencies first. */
	char names[MOST_MODULES][MODULE_NAME_BYTES];
	unsigned int count;
};

/* Parses names separated by spaces; false if there are too many, or a name is invalid. */
bool modules_read(struct modules *modules, const char *text);

/*
 * Loads the modules that are not loaded yet, by a process (the keeper) that
 * outlives this one and unloads them after modules_unload(), or when this
 * process ends, even if it is killed. The keeper lists the loaded modules in a
 * file: if the keeper is killed, too, the next check unloads the listed
 * modules. Does nothing without modules to load and without such lists. Ends
 * the program when a module cannot be loaded.
 */
void modules_load(const struct modules *modules);

/* Lets the keeper unload the modules, and waits until they are unloaded or found in use. */
void modules_unload(void);

#endif
