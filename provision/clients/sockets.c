// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-sockets - look up a name with one socket per query
 *
 * Like the resolver in Go's net package: A and AAAA are queried concurrently,
 * each from its own socket, and again from new sockets after five seconds; two
 * attempts in total. Each query is a separate flow for conntrack, so the two
 * cannot clash.
 */
#include <string.h>
#include <unistd.h>

#include "exchange.h"

enum {
	ATTEMPTS = 2,
};

static const struct client client = {
	.program = "lookup-sockets",
	.about =
"Look up a name's A and AAAA records like programs in Go: each query from its own\n"
"socket; after the timeout unanswered queries are sent once more. Of resolv.conf\n"
"only the first nameserver is used.\n",
	.timeout_s = 5,
};

static void attempt(const struct server *server, struct exchange exchanges[BOTH], struct lookup *lookup)
{
	unsigned int i;

	for (i = 0; i < BOTH; i++) {
		if (exchanges[i].state == ANSWERED)
			continue;
		exchanges[i].socket = server_connect(server, lookup);
		if (exchanges[i].socket >= 0)
			exchange_send(&exchanges[i], lookup);
	}
	exchanges_wait(exchanges, BOTH, client.timeout_s, lookup);
	for (i = 0; i < BOTH; i++) {
		if (exchanges[i].socket >= 0)
			close(exchanges[i].socket);
		exchanges[i].socket = -1;
	}
}

int main(int argc, char **argv)
{
	const char *name = client_name(&client, argc, argv, NULL);
	const struct server server = server_read();
	struct exchange exchanges[BOTH];
	struct lookup lookup;
	unsigned int i;

	memset(&lookup, 0, sizeof(lookup));
	lookup_begin(&lookup);
	exchanges_prepare(exchanges, name);
	for (i = 0; i < ATTEMPTS; i++)
		if (exchanges[0].state == MISSING || exchanges[1].state == MISSING)
			attempt(&server, exchanges, &lookup);
	lookup_end(&lookup, &client);
	return client_report(&client, name, &lookup);
}
