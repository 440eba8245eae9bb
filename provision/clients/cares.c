// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-cares - looks a name up by c-ares
 *
 * By ares_getaddrinfo(), which asks for A and AAAA side by side on one socket;
 * it came with 1.16. ares_gethostbyname(), which older ones have, asks for one
 * after the other and would show nothing.
 */
#include "client.h"

#include <ares.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/select.h>

static void on_answer(void *context, int status, int timeouts, struct ares_addrinfo *found)
{
	struct outcome *outcome = context;
	const struct ares_addrinfo_node *at;

	(void)timeouts;
	if (status != ARES_SUCCESS)
		return;
	for (at = found->nodes; at; at = at->ai_next) {
		if (at->ai_family == AF_INET)
			client_add(outcome, AF_INET, &((const struct sockaddr_in *)(const void *)at->ai_addr)->sin_addr);
		else if (at->ai_family == AF_INET6)
			client_add(outcome, AF_INET6, &((const struct sockaddr_in6 *)(const void *)at->ai_addr)->sin6_addr);
	}
	ares_freeaddrinfo(found);
}

static void serve(ares_channel channel)
{
	for (;;) {
		struct timeval limit, *timeout;
		fd_set readable, writable;
		int count;

		FD_ZERO(&readable);
		FD_ZERO(&writable);
		count = ares_fds(channel, &readable, &writable);
		if (!count)
			return;
		timeout = ares_timeout(channel, NULL, &limit);
		select(count, &readable, &writable, NULL, timeout);
		ares_process(channel, &readable, &writable);
	}
}

int main(int argc, char **argv)
{
	struct outcome outcome = { .client = "lookup-cares", .lookups = 1 };
	const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	ares_channel channel;
	struct timespec start;

	outcome.name = client_name(argc, argv, outcome.client, "Look a name up, A and AAAA, by c-ares.");
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS || ares_init(&channel) != ARES_SUCCESS)
		return client_report(&outcome);
	start = client_now();
	ares_getaddrinfo(channel, outcome.name, NULL, &hints, on_answer, &outcome);
	serve(channel);
	outcome.lookup_s = client_since(start);
	ares_destroy(channel);
	ares_library_cleanup();
	return client_report(&outcome);
}
