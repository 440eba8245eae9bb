// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-cares - look a name up by c-ares
 *
 * By two calls of ares_gethostbyname(), one for each family, at once on one
 * channel: curl did so for years. With AF_UNSPEC that function asks for A only
 * when there is no AAAA; ares_getaddrinfo(), which asks for both, came with
 * 1.16, and CentOS 7 has 1.10. Either way a channel has one UDP socket for
 * each server, and both queries go out from it.
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
"Look up a name's A and AAAA records by c-ares: both queries from one socket; after\n"
"the timeout it asks again for what is missing.\n",
	/* Its own default, up to 1.19; resolv.conf(5) cannot change it there. */
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

/* Until nothing is outstanding: c-ares ends every query, if only by its last timeout. */
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
			/* A signal: the sets say nothing then. */
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
