// SPDX-License-Identifier: GPL-2.0
/* Functions shared by the DNS clients. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"

static void print_help(const struct client *client, bool has_tries)
{
	const char *program = client->program;

	printf("Usage: %s [OPTION]... NAME\n%s\n", program, client->about);
	if (has_tries)
		printf("  -t, --tries N   look up the name N times, 1 to %d, each time with a new socket, and\n"
		       "                  stop after a lookup that took longer than half the timeout (default 1)\n",
		       MAX_TRIES);
	printf("  -h, --help      show this\n"
	       "\n"
	       "One JSON object on one line: \"addresses\", \"lookup_s\" (the longest lookup, in\n"
	       "seconds), \"lookups\" (their number), \"stalled\" (the number of lookups that took\n"
	       "longer than half the timeout, which is %.1f s).\n"
	       "\n"
	       "Examples:\n"
	       "  %s nfqueue.lab.test\n", client->timeout_s, program);
	if (has_tries)
		printf("  %s --tries 1000 threads.lab.test\n", program);
	printf("\n"
	       "Exit status: 0 resolved, 2 bad usage, 6 the name could not be resolved.\n");
}

static bool is_name(const char *name)
{
	static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	const char *at = name;

	if (strlen(name) > MAX_NAME)
		return false;
	do {
		size_t label = strspn(at, known);

		if (label == 0 || label > MAX_LABEL)
			return false;
		at += label;
		/* A trailing dot is allowed. */
	} while (*at++ == '.' && *at);
	return at[-1] == '\0' || at[-1] == '.';
}

static unsigned int number(const char *program, const char *text)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 1 || value > MAX_TRIES) {
		fprintf(stderr, "%s: --tries takes a number from 1 to %d, not '%s'\n", program, MAX_TRIES, text);
		exit(EXIT_USAGE);
	}
	return (unsigned int)value;
}

const char *client_name(const struct client *client, int argc, char **argv, unsigned int *tries)
{
	/* --tries is first, so that clients without it skip the first entry. */
	static const struct option known[] = {
		{ "tries", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, tries ? "t:h" : "h", known + !tries, NULL)) != -1) {
		switch (option) {
		case 't':
			*tries = number(client->program, optarg);
			break;
		case 'h':
			print_help(client, tries);
			exit(EXIT_SUCCESS);
		default:
			/* getopt_long has printed the error. */
			exit(EXIT_USAGE);
		}
	}
	if (argc - optind != 1) {
		fprintf(stderr, "%s: expected one name, not %d: see --help\n", client->program, argc - optind);
		exit(EXIT_USAGE);
	}
	if (!is_name(argv[optind])) {
		fprintf(stderr, "%s: '%s' is not a valid DNS name\n", client->program, argv[optind]);
		exit(EXIT_USAGE);
	}
	return argv[optind];
}

double monotonic_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void lookup_begin(struct lookup *lookup)
{
	lookup->count = 0;
	lookup_failed(lookup, "it has no address");
	lookup->started_s = monotonic_s();
}

bool lookup_end(struct lookup *lookup, const struct client *client)
{
	const double took_s = monotonic_s() - lookup->started_s;
	const bool stalled = took_s > client->timeout_s / 2;

	lookup->lookups++;
	lookup->stalled += stalled;
	if (took_s > lookup->longest_s)
		lookup->longest_s = took_s;
	return stalled;
}

void lookup_add(struct lookup *lookup, int family, const void *address)
{
	if (lookup->count < MAX_ADDRESSES &&
	    inet_ntop(family, address, lookup->addresses[lookup->count], INET6_ADDRSTRLEN))
		lookup->count++;
}

void lookup_failed(struct lookup *lookup, const char *why)
{
	snprintf(lookup->why, sizeof(lookup->why), "%s", why);
}

int client_report(const struct client *client, const char *name, const struct lookup *lookup)
{
	unsigned int i;

	printf("{\"client\": \"%s\", \"name\": \"%s\", \"addresses\": [", client->program, name);
	for (i = 0; i < lookup->count; i++)
		printf("%s\"%s\"", i ? ", " : "", lookup->addresses[i]);
	printf("], \"lookup_s\": %.6f, \"lookups\": %u, \"stalled\": %u}\n",
	       lookup->longest_s, lookup->lookups, lookup->stalled);
	if (lookup->count)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s: %s could not be resolved: %s\n", client->program, name, lookup->why);
	return EXIT_UNRESOLVED;
}
