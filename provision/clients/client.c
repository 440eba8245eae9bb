// SPDX-License-Identifier: GPL-2.0
/* What the lab's clients have in common: see client.h. */
#include "client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *client_name(int argc, char **argv, const char *program, const char *what)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		printf("Usage: %s NAME\n%s\n\n"
		       "Prints one JSON object: the \"addresses\", and in \"lookup_s\" how many seconds the\n"
		       "lookup took.\n\nExample:\n  %s www.lab.test\n\n"
		       "Exit status: 0 resolved, 2 bad usage, 6 could not resolve.\n",
		       program, what, program);
		exit(EXIT_SUCCESS);
	}
	/* A name goes into JSON and onto the wire as it is. */
	if (argc != 2 || argv[1][0] == '-' || strlen(argv[1]) > 253 || strpbrk(argv[1], "\"\\")) {
		fprintf(stderr, "%s: one host name is needed: see --help\n", program);
		exit(EXIT_USAGE);
	}
	return argv[1];
}

struct timespec client_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now;
}

double client_since(struct timespec start)
{
	struct timespec end = client_now();

	return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
}

void client_add(struct outcome *outcome, int family, const void *address)
{
	if (outcome->count < MAX_ADDRESSES &&
	    inet_ntop(family, address, outcome->addresses[outcome->count], ADDRESS_BYTES))
		outcome->count++;
}

int client_report(const struct outcome *outcome)
{
	unsigned int i;

	printf("{\"client\": \"%s\", \"name\": \"%s\", \"lookup_s\": %.6f, \"lookups\": %u, \"addresses\": [",
	       outcome->client, outcome->name, outcome->lookup_s, outcome->lookups);
	for (i = 0; i < outcome->count; i++)
		printf("%s\"%s\"", i ? ", " : "", outcome->addresses[i]);
	puts("]}");
	if (outcome->count)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s: %s could not be resolved\n", outcome->client, outcome->name);
	return EXIT_UNRESOLVED;
}
