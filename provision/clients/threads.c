// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-threads - two threads send two queries on one socket at one moment
 *
 * The race as it was reported from Kubernetes, without NFQUEUE: each packet
 * gets its conntrack before the other's is confirmed, if two processors are
 * that close together. As it is rare, lookups are made until one has stalled.
 */
#include "client.h"
#include "message.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	QUERIES = 2,
	/* As glibc: RES_TIMEOUT in resolv.h. */
	TIMEOUT_MS = 5000,
	MAX_TRIES = 10000,
};

struct query {
	struct question question;
	bool is_answered;
	int socket;
	/* Both are in the threads' hands at once; whoever comes second lets both go. */
	int *waiting;
	unsigned int number;
};

static void *send_at_once(void *context)
{
	struct query *query = context;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(query->number, &cpus);
	/* With one processor there is nothing to choose. */
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	__sync_fetch_and_sub(query->waiting, 1);
	while (__sync_fetch_and_add(query->waiting, 0) > 0)
		sched_yield();
	send(query->socket, query->question.bytes, query->question.length, 0);
	return NULL;
}

static bool send_both(struct query *queries)
{
	pthread_t thread;
	int waiting = QUERIES;

	queries[0].waiting = queries[1].waiting = &waiting;
	if (pthread_create(&thread, NULL, send_at_once, &queries[0]))
		return false;
	send_at_once(&queries[1]);
	pthread_join(thread, NULL);
	return true;
}

/* Until these two are answered (they may be the same), or the time is over. */
static void await(struct query *queries, unsigned int one, unsigned int other, struct outcome *outcome)
{
	struct timespec start = client_now();

	while (!(queries[one].is_answered && queries[other].is_answered)) {
		struct pollfd ready = { .fd = queries[0].socket, .events = POLLIN };
		int left = TIMEOUT_MS - (int)(client_since(start) * 1000);
		unsigned char answer[MESSAGE_BYTES];
		unsigned int i;
		ssize_t length;

		if (left <= 0 || poll(&ready, 1, left) <= 0)
			return;
		length = recv(queries[0].socket, answer, sizeof(answer), 0);
		for (i = 0; length > 0 && i < QUERIES; i++)
			if (!queries[i].is_answered)
				queries[i].is_answered = message_read(&queries[i].question, answer, (size_t)length, outcome);
	}
}

static bool look_up(const struct sockaddr_in *server, struct outcome *outcome)
{
	static const uint16_t types[QUERIES] = { TYPE_A, TYPE_AAAA };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct query queries[QUERIES];
	unsigned int i;
	bool well;

	well = fd >= 0 && connect(fd, (const struct sockaddr *)server, sizeof(*server)) == 0;
	memset(queries, 0, sizeof(queries));
	for (i = 0; i < QUERIES; i++) {
		queries[i].socket = fd;
		queries[i].number = i;
		well = well && message_ask(&queries[i].question, outcome->name, types[i]);
	}
	/* Addresses of the last lookup only. */
	outcome->count = 0;
	well = well && send_both(queries);
	if (well)
		await(queries, 0, 1, outcome);
	/* What is missing is asked for again, one by one. */
	for (i = 0; well && i < QUERIES; i++) {
		if (queries[i].is_answered)
			continue;
		well = send(fd, queries[i].question.bytes, queries[i].question.length, 0) >= 0;
		await(queries, i, i, outcome);
	}
	if (fd >= 0)
		close(fd);
	return well;
}

int main(int argc, char **argv)
{
	struct outcome outcome = { .client = "lookup-threads" };
	struct sockaddr_in server;
	long tries = 1;
	bool well;

	if (argc > 1 && strncmp(argv[1], "--tries=", 8) == 0) {
		char *end;

		tries = strtol(argv[1] + 8, &end, 10);
		if (*end || end == argv[1] + 8 || tries < 1 || tries > MAX_TRIES) {
			fprintf(stderr, "lookup-threads: --tries takes a number from 1 to %d\n", MAX_TRIES);
			return EXIT_USAGE;
		}
		argv++;
		argc--;
	}
	outcome.name = client_name(argc, argv, outcome.client,
				   "Look a name up, A and AAAA sent by two threads on one socket at one moment.\n"
				   "With --tries=N before the name, up to N times, until a lookup has stalled: then\n"
				   "\"lookup_s\" is the longest.");
	well = message_server(&server);
	while (well && tries-- > 0 && outcome.lookup_s < TIMEOUT_MS / 2000.0) {
		struct timespec start = client_now();
		double took;

		well = look_up(&server, &outcome);
		took = client_since(start);
		outcome.lookups++;
		if (took > outcome.lookup_s)
			outcome.lookup_s = took;
	}
	return client_report(&outcome);
}
