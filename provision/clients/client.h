/* SPDX-License-Identifier: GPL-2.0 */
/* What the lab's clients have in common: their usage, and the line they print. */
#ifndef LAB_CLIENT_H
#define LAB_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>

enum {
	EXIT_USAGE = 2,
	/* As curl has it. */
	EXIT_UNRESOLVED = 6,
	MAX_ADDRESSES = 16,
	ADDRESS_BYTES = 46,
};

/* What one lookup came to. */
struct outcome {
	const char *client;
	const char *name;
	char addresses[MAX_ADDRESSES][ADDRESS_BYTES];
	unsigned int count;
	double lookup_s;
	unsigned int lookups;
};

/* The name to look up; --help and bad usage end the program. */
const char *client_name(int argc, char **argv, const char *program, const char *what);

double client_since(struct timespec start);
struct timespec client_now(void);

/* Addresses beyond MAX_ADDRESSES are left out. */
void client_add(struct outcome *outcome, int family, const void *address);

/* Prints one JSON object, and gives the program's exit status. */
int client_report(const struct outcome *outcome);

#endif
