// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-threads - look a name up with two threads on one socket
 *
 * The race as it was reported from Kubernetes: no queue holds a packet, two
 * processors send the two queries at the same moment, and each gets its
 * conntrack before the other is confirmed. It is rare, so that a lookup can be
 * tried many times.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"

static const struct client client = {
	.program = "lookup-threads",
	.about =
"Look up a name's A and AAAA records with two threads that send on one socket at the same\n"
"moment, on two processors where there are two; after the timeout it asks again, one by\n"
"one, for what is missing. Of resolv.conf it reads the first nameserver, nothing else.\n",
	.timeout_s = 5,
};

/* Where both threads meet before they send. */
struct start {
	unsigned int arrived;
	/* The processors that the threads stay on, where there are two. */
	int cpus[BOTH];
	bool has_both;
};

struct sender {
	struct start *start;
	const struct exchange *exchange;
	int cpu;
	int error;
};

static void find_cpus(struct start *start)
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

/* Nothing but the send() itself stands behind the meeting of the two. */
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
		/* On one processor the other thread needs ours to come here. */
		if (!is_alone)
			sched_yield();
	if (send(sender->exchange->socket, query->bytes, query->length, MSG_NOSIGNAL) < 0)
		sender->error = errno;
	return NULL;
}

/*
 * Where the race is lost on this machine, send() itself may say so: EPERM. Where
 * it is lost on a host further on, as with containers, nobody does. So the
 * program waits for the answer all the same, and only tells.
 */
static void take_result(const struct sender *sender, struct exchange *exchange, struct lookup *lookup)
{
	exchange->state = WAITING;
	if (!sender->error)
		return;
	fprintf(stderr, "lookup-threads: the %s query was not sent: %s\n",
		exchange->query.type == TYPE_A ? "A" : "AAAA", strerror(sender->error));
	if (sender->error == EPERM)
		return;
	lookup_failed(lookup, strerror(sender->error));
	exchange->state = MISSING;
}

static void send_both(struct start *start, struct exchange exchanges[BOTH], struct lookup *lookup)
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
		take_result(&senders[i], &exchanges[i], lookup);
	/* The later send() is told, once, that the earlier query was refused. That one waits for nothing. */
	if (senders[0].error == ECONNREFUSED || senders[1].error == ECONNREFUSED)
		exchanges[0].state = exchanges[1].state = MISSING;
}

/* glibc asks for both again where one answer is missing; that one is asked for here alone. */
static void resolve(const struct server *server, struct start *start, const char *name, struct lookup *lookup)
{
	struct exchange exchanges[BOTH];
	int fd = server_connect(server, lookup);
	unsigned int i;

	if (fd < 0)
		return;
	exchanges_prepare(exchanges, name);
	for (i = 0; i < BOTH; i++)
		exchanges[i].socket = fd;
	send_both(start, exchanges, lookup);
	exchanges_wait(exchanges, BOTH, client.timeout_s, lookup);
	for (i = 0; i < BOTH; i++) {
		if (exchanges[i].state == ANSWERED)
			continue;
		exchange_send(&exchanges[i], lookup);
		exchanges_wait(&exchanges[i], 1, client.timeout_s, lookup);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned int tries = 1;
	const char *name = client_name(&client, argc, argv, &tries);
	const struct server server = server_read();
	struct lookup lookup;
	struct start start;
	bool stalled = false;

	memset(&lookup, 0, sizeof(lookup));
	find_cpus(&start);
	while (tries-- && !stalled) {
		lookup_begin(&lookup);
		resolve(&server, &start, name, &lookup);
		stalled = lookup_end(&lookup, &client);
	}
	return client_report(&client, name, &lookup);
}
