/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the DNS clients have in common: the command line, the time a lookup
 * took, and the line that says so.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>

enum {
	EXIT_USAGE = 2,
	/* As curl's: the name could not be resolved. */
	EXIT_UNRESOLVED = 6,

	/* What comes after so many is not kept. */
	MAX_ADDRESSES = 64,
	/* A name as text (RFC 1035, 2.3.4: 255 bytes with the lengths before the labels), and a label. */
	MAX_NAME = 253,
	MAX_LABEL = 63,
	MAX_TRIES = 100000,
};

struct client {
	const char *program;
	/* How it asks, for --help: whole lines. */
	const char *about;
	/* How long it waits for an answer before it asks again. */
	double timeout_s;
};

/* What was found, and of all lookups made how long they took. */
struct lookup {
	char addresses[MAX_ADDRESSES][INET6_ADDRSTRLEN];
	unsigned int count;
	/* Why there are no addresses: the last that went wrong. */
	char why[128];
	double started_s;
	double longest_s;
	unsigned int lookups;
	unsigned int stalled;
};

/* CLOCK_MONOTONIC, in seconds. */
double monotonic_s(void);

/*
 * Reads the command line and gives the name to look up: letters, digits,
 * hyphens and underscores in labels, so that it needs no quoting in JSON. Ends
 * the program after --help, and when it cannot be understood. Where "tries" is
 * NULL there is no option --tries.
 */
const char *client_name(const struct client *client, int argc, char **argv, unsigned int *tries);

/* A lookup begins: what an earlier one found is forgotten, how long it took is not. */
void lookup_begin(struct lookup *lookup);

/* It is over; true when it took longer than half the client's timeout, and so has waited for an answer that was lost. */
bool lookup_end(struct lookup *lookup, const struct client *client);

/* "address" is that of a struct in_addr or in6_addr; other families are passed over. */
void lookup_add(struct lookup *lookup, int family, const void *address);

void lookup_failed(struct lookup *lookup, const char *why);

/* Prints what was found, and gives the program's exit status. */
int client_report(const struct client *client, const char *name, const struct lookup *lookup);

#endif
