// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-cares - look up a name with c-ares
 *
 * With two concurrent calls of ares_gethostbyname(), one per family, on one
 * channel, as curl did for years. With AF_UNSPEC that function queries A only
 * if there is no AAAA; ares_getaddrinfo(), which queries both, needs 1.16, and
 * CentOS 7 has 1.10. In both cases a channel has one UDP socket per server, on
 * which both queries are sent.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

#include <ares.h>

#include "client.h"

static const struct client client = {
	.program = "lookup-cares",
	.about =
"Look up a name's A and AAAA records with c-ares: both queries from one socket; after\n"
"the timeout unanswered queries are retransmitted.\n",
	/* c-ares' default up to 1.19; resolv.conf(5) cannot change it there. */
	.timeout_s = 5,
};

static void on_host(void *context, int status, int timeouts, struct hostent *host)
{
	struct lookup *lookup = context;
	char **address;

	(void)timeouts;
	if (status != ARES_SUCCESS) {
		lookup_failed(lookup, ares_strerror(status));
		return;
	}
	for (address = host->h_addr_list; *address; address++)
		lookup_add(lookup, host->h_addrtype, *address);
}

/* Runs until no query is outstanding: c-ares ends every query at the latest by its last timeout. */
static void drive(ares_channel channel)
{
	for (;;) {
		struct timeval left, *timeout;
		fd_set readable, writable;
		int sockets;

		FD_ZERO(&readable);
		FD_ZERO(&writable);
		sockets = ares_fds(channel, &readable, &writable);
		if (sockets == 0)
			return;
		timeout = ares_timeout(channel, NULL, &left);
		if (select(sockets, &readable, &writable, NULL, timeout) < 0) {
			/* Interrupted by a signal: the sets are invalid. */
			FD_ZERO(&readable);
			FD_ZERO(&writable);
		}
		ares_process(channel, &readable, &writable);
	}
}

static void resolve(const char *name, struct lookup *lookup)
{
	ares_channel channel;
	int status;

	lookup_begin(lookup);
	status = ares_init(&channel);
	if (status == ARES_SUCCESS) {
		ares_gethostbyname(channel, name, AF_INET, on_host, lookup);
		ares_gethostbyname(channel, name, AF_INET6, on_host, lookup);
		drive(channel);
		ares_destroy(channel);
	} else {
		lookup_failed(lookup, ares_strerror(status));
	}
	lookup_end(lookup, &client);
}

int main(int argc, char **argv)
{
	const char *name = client_name(&client, argc, argv, NULL);
	struct lookup lookup;
	int status;

	memset(&lookup, 0, sizeof(lookup));
	status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS) {
		resolve(name, &lookup);
		ares_library_cleanup();
	} else {
		lookup_failed(&lookup, ares_strerror(status));
	}
	return client_report(&client, name, &lookup);
}
