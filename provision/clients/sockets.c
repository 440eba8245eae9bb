// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-sockets - looks a name up with a socket of its own for each query
 *
 * As Go's resolver does (src/net/dnsclient_unix.go): A and AAAA side by side,
 * five seconds for an answer, two attempts (conf.timeout, conf.attempts).
 */
#include "client.h"
#include "message.h"

#include <poll.h>
#include <unistd.h>

enum {
	QUERIES = 2,
	ATTEMPTS = 2,
	TIMEOUT_MS = 5000,
};

struct query {
	struct question question;
	int socket;
	bool is_answered;
};

static bool ask(struct query *query, const struct sockaddr_in *server)
{
	if (query->socket >= 0)
		close(query->socket);
	query->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return query->socket >= 0 &&
	       connect(query->socket, (const struct sockaddr *)server, sizeof(*server)) == 0 &&
	       send(query->socket, query->question.bytes, query->question.length, 0) >= 0;
}

static void await(struct query *queries, struct outcome *outcome)
{
	struct timespec start = client_now();
	unsigned int i;

	for (;;) {
		struct pollfd ready[QUERIES];
		unsigned int open = 0;
		int left = TIMEOUT_MS - (int)(client_since(start) * 1000);

		for (i = 0; i < QUERIES; i++) {
			/* poll() passes over what is negative. */
			ready[i] = (struct pollfd){ .fd = queries[i].is_answered ? -1 : queries[i].socket, .events = POLLIN };
			open += !queries[i].is_answered;
		}
		if (!open || left <= 0 || poll(ready, QUERIES, left) <= 0)
			return;
		for (i = 0; i < QUERIES; i++) {
			unsigned char answer[MESSAGE_BYTES];
			ssize_t length;

			if (!ready[i].revents)
				continue;
			length = recv(queries[i].socket, answer, sizeof(answer), 0);
			if (length > 0)
				queries[i].is_answered = message_read(&queries[i].question, answer, (size_t)length, outcome);
		}
	}
}

int main(int argc, char **argv)
{
	static const uint16_t types[QUERIES] = { TYPE_A, TYPE_AAAA };
	struct outcome outcome = { .client = "lookup-sockets", .lookups = 1 };
	struct query queries[QUERIES] = { { .socket = -1 }, { .socket = -1 } };
	struct sockaddr_in server;
	struct timespec start;
	unsigned int attempt, i;
	bool well;

	outcome.name = client_name(argc, argv, outcome.client,
				   "Look a name up, A and AAAA, with a socket of its own for each, as Go does.");
	start = client_now();
	well = message_server(&server);
	for (i = 0; i < QUERIES; i++)
		well = well && message_ask(&queries[i].question, outcome.name, types[i]);
	for (attempt = 0; well && attempt < ATTEMPTS; attempt++) {
		for (i = 0; i < QUERIES; i++)
			well = well && (queries[i].is_answered || ask(&queries[i], &server));
		if (well)
			await(queries, &outcome);
		well = well && !(queries[0].is_answered && queries[1].is_answered);
	}
	outcome.lookup_s = client_since(start);
	return client_report(&outcome);
}
