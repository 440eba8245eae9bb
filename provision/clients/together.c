// SPDX-License-Identifier: GPL-2.0
/* Lookups of which two threads send the queries at the same time. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "together.h"

/* Two threads send at the same time, pinned to two processors if there are two. */
struct start {
	unsigned int arrived;
	/* The processors to pin the threads to, if there are two. */
	int cpus[BOTH];
	bool has_both;
};

struct sender {
	struct start *start;
	const struct exchange *exchange;
	int cpu;
	int error;
};

/* Finds the processors. */
static void start_prepare(struct start *start)
{
	cpu_set_t allowed;
	int cpu, found = 0;

	memset(start, 0, sizeof(*start));
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return;
	for (cpu = 0; cpu < CPU_SETSIZE && found < BOTH; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			start->cpus[found++] = cpu;
	start->has_both = found == BOTH;
}

/* Only the send() itself follows the barrier. */
static void *send_with_the_other(void *context)
{
	struct sender *sender = context;
	const struct query *query = &sender->exchange->query;
	bool is_alone = false;

	if (sender->start->has_both) {
		cpu_set_t own;

		CPU_ZERO(&own);
		CPU_SET(sender->cpu, &own);
		is_alone = sched_setaffinity(0, sizeof(own), &own) == 0;
	}
	__atomic_add_fetch(&sender->start->arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&sender->start->arrived, __ATOMIC_SEQ_CST) < BOTH)
		/* On a shared processor let the other thread run. */
		if (!is_alone)
			sched_yield();
	if (send(sender->exchange->socket, query->bytes, query->length, MSG_NOSIGNAL) < 0)
		sender->error = errno;
	return NULL;
}

/*
 * If the packet is dropped on this machine, send() may return EPERM. If it is
 * dropped on a host further on, as with containers, there is no error. So on
 * EPERM the program only prints the error and still waits for the answer.
 */
static void take_result(const struct client *client, const struct sender *sender, struct exchange *exchange,
			struct lookup *lookup)
{
	exchange->state = WAITING;
	if (!sender->error)
		return;
	fprintf(stderr, "%s: the %s query was not sent: %s\n", client->program,
		exchange->query.type == TYPE_A ? "A" : "AAAA", strerror(sender->error));
	if (sender->error == EPERM)
		return;
	lookup_failed(lookup, strerror(sender->error));
	exchange->state = MISSING;
}

/* Sends both queries, each on its socket, from two threads at once. Errors are stored in the lookup. */
static void send_together(const struct client *client, struct start *start, struct exchange exchanges[BOTH],
			  struct lookup *lookup)
{
	struct sender senders[BOTH];
	pthread_t other;
	unsigned int i;
	int error;

	start->arrived = 0;
	memset(senders, 0, sizeof(senders));
	for (i = 0; i < BOTH; i++) {
		senders[i].start = start;
		senders[i].exchange = &exchanges[i];
		senders[i].cpu = start->cpus[i];
	}
	error = pthread_create(&other, NULL, send_with_the_other, &senders[1]);
	if (error) {
		lookup_failed(lookup, strerror(error));
		return;
	}
	send_with_the_other(&senders[0]);
	pthread_join(other, NULL);
	for (i = 0; i < BOTH; i++)
		take_result(client, &senders[i], &exchanges[i], lookup);
	/* The later send() returns the earlier query's ECONNREFUSED, once. No answer will come. */
	if (senders[0].error == ECONNREFUSED || senders[1].error == ECONNREFUSED)
		exchanges[0].state = exchanges[1].state = MISSING;
}

/* glibc retransmits both queries if one answer is missing; this program only the missing one. */
static void ask(const struct client *client, struct start *start, struct exchange exchanges[BOTH],
		struct lookup *lookup)
{
	unsigned int i;

	send_together(client, start, exchanges, lookup);
	exchanges_wait(exchanges, BOTH, client->timeout_s, lookup);
	for (i = 0; i < BOTH; i++) {
		if (exchanges[i].state == ANSWERED)
			continue;
		exchange_send(&exchanges[i], lookup);
		exchanges_wait(&exchanges[i], 1, client->timeout_s, lookup);
	}
}

/* Both queries may have the same socket. */
static void close_sockets(const struct exchange exchanges[BOTH])
{
	if (exchanges[0].socket >= 0)
		close(exchanges[0].socket);
	if (exchanges[1].socket >= 0 && exchanges[1].socket != exchanges[0].socket)
		close(exchanges[1].socket);
}

int look_up_together(const struct client *client, connect_function *connect_sockets, int argc, char **argv)
{
	unsigned int tries = 1;
	const char *name = client_name(client, argc, argv, &tries);
	const struct server server = server_read();
	struct exchange exchanges[BOTH];
	struct lookup lookup;
	struct start start;
	bool stalled = false;

	memset(&lookup, 0, sizeof(lookup));
	start_prepare(&start);
	while (tries-- && !stalled) {
		lookup_begin(&lookup);
		exchanges_prepare(exchanges, name);
		if (connect_sockets(exchanges, &server, &lookup))
			ask(client, &start, exchanges, &lookup);
		close_sockets(exchanges);
		stalled = lookup_end(&lookup, client);
	}
	return client_report(client, name, &lookup);
}
