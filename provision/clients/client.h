/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions shared by the DNS clients: the command line, the timing of lookups,
 * and the report.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>

enum {
	EXIT_USAGE = 2,
	/* As curl's: the name could not be resolved. */
	EXIT_UNRESOLVED = 6,

	/* Further addresses are ignored. */
	MAX_ADDRESSES = 64,
	/* A name as text (RFC 1035, 2.3.4: 255 bytes with the lengths before the labels), and a label. */
	MAX_NAME = 253,
	MAX_LABEL = 63,
	MAX_TRIES = 100000,
};

struct client {
	const char *program;
	/* Description for --help: whole lines. */
	const char *about;
	/* Retransmit timeout. */
	double timeout_s;
};

/* The result of the last lookup, and the timing of all lookups. */
struct lookup {
	char addresses[MAX_ADDRESSES][INET6_ADDRSTRLEN];
	unsigned int count;
	/* Why there are no addresses: the last error. */
	char why[128];
	double started_s;
	double longest_s;
	unsigned int lookups;
	unsigned int stalled;
};

/* CLOCK_MONOTONIC, in seconds. */
double monotonic_s(void);

/*
 * Parses the command line and returns the name to look up: letters, digits,
 * hyphens and underscores in labels, so that it needs no quoting in JSON. Ends
 * the program after --help and on errors. If "tries" is NULL there is no option
 * --tries.
 */
const char *client_name(const struct client *client, int argc, char **argv, unsigned int *tries);

/* Begins a lookup: clears the result of an earlier one, not its timing. */
void lookup_begin(struct lookup *lookup);

/* Ends a lookup; true if it took longer than half the client's timeout, that is, if it waited for a lost answer. */
bool lookup_end(struct lookup *lookup, const struct client *client);

/* Adds an address; "address" points to a struct in_addr or in6_addr; other families are ignored. */
void lookup_add(struct lookup *lookup, int family, const void *address);

void lookup_failed(struct lookup *lookup, const char *why);

/* Prints the result, and returns the program's exit status. */
int client_report(const struct client *client, const char *name, const struct lookup *lookup);

#endif
