// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-glibc, lookup-musl - look a name up by the C library's resolver
 *
 * The same few lines, built with two C libraries: what differs between them
 * is the resolver alone.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "client.h"

static const struct client client = {
/* musl, on purpose, has no macro to be known by. */
#ifdef __GLIBC__
	.program = "lookup-glibc",
	.about =
"Look up a name's A and AAAA records by glibc's getaddrinfo(): both queries from\n"
"one socket; after the timeout it asks again for both, one by one.\n",
	/* RES_TIMEOUT in glibc's resolv.h. */
	.timeout_s = 5,
#else
	.program = "lookup-musl",
	.about =
"Look up a name's A and AAAA records by musl's getaddrinfo(): both queries from\n"
"one socket; after the timeout it asks again for what is missing. Of the options\n"
"in resolv.conf it knows ndots, timeout and attempts, and no others.\n",
	/* resolv.conf(5)'s timeout of 5 s, shared out among two attempts. */
	.timeout_s = 2.5,
#endif
};

static void resolve(const char *name, struct lookup *lookup)
{
	/* One socket type: each address comes once. No AI_ADDRCONFIG: both families are asked for wherever it runs. */
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
