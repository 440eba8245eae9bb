// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-threads - look up a name with two threads on one socket
 *
 * The race as reported from Kubernetes: without a queue, two processors send
 * the two queries at the same time, and each gets its conntrack before the
 * other is confirmed. The race is rare, so a lookup can be repeated many times.
 */
#include "together.h"

static const struct client client = {
	.program = "lookup-threads",
	.about =
"Look up a name's A and AAAA records with two threads that send on one socket at the same\n"
"time, on two processors if available; after the timeout unanswered queries are\n"
"retransmitted one after the other. Of resolv.conf only the first nameserver is used.\n",
	.timeout_s = 5,
};

static bool connect_once(struct exchange exchanges[BOTH], const struct server *server, struct lookup *lookup)
{
	const int fd = server_connect(server, lookup);

	exchanges[0].socket = exchanges[1].socket = fd;
	return fd >= 0;
}

int main(int argc, char **argv)
{
	return look_up_together(&client, connect_once, argc, argv);
}
