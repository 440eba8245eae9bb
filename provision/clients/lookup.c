// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-glibc, lookup-musl - look up a name with the C library's resolver
 *
 * The same source, built with two C libraries: only the resolver differs.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "client.h"

static const struct client client = {
/* musl deliberately has no macro to detect it. */
#ifdef __GLIBC__
	.program = "lookup-glibc",
	.about =
"Look up a name's A and AAAA records with glibc's getaddrinfo(): both queries from\n"
"one socket; after the timeout both are retransmitted, one after the other.\n",
	/* RES_TIMEOUT in glibc's resolv.h. */
	.timeout_s = 5,
#else
	.program = "lookup-musl",
	.about =
"Look up a name's A and AAAA records with musl's getaddrinfo(): both queries from\n"
"one socket; after the timeout unanswered queries are retransmitted. Of the options\n"
"in resolv.conf it supports only ndots, timeout and attempts.\n",
	/* resolv.conf(5)'s timeout of 5 s, divided by two attempts. */
	.timeout_s = 2.5,
#endif
};

static void resolve(const char *name, struct lookup *lookup)
{
	/* One socket type: each address is returned once. No AI_ADDRCONFIG: always query both families. */
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	const struct addrinfo *at;
	int error;

	lookup_begin(lookup);
	error = getaddrinfo(name, NULL, &hints, &found);
	lookup_end(lookup, &client);
	if (error) {
		lookup_failed(lookup, gai_strerror(error));
		return;
	}
	for (at = found; at; at = at->ai_next) {
		if (at->ai_family == AF_INET)
			lookup_add(lookup, AF_INET, &((const struct sockaddr_in *)(const void *)at->ai_addr)->sin_addr);
		else if (at->ai_family == AF_INET6)
			lookup_add(lookup, AF_INET6, &((const struct sockaddr_in6 *)(const void *)at->ai_addr)->sin6_addr);
	}
	freeaddrinfo(found);
}

int main(int argc, char **argv)
{
	const char *name = client_name(&client, argc, argv, NULL);
	struct lookup lookup;

	memset(&lookup, 0, sizeof(lookup));
	resolve(name, &lookup);
	return client_report(&client, name, &lookup);
}
