// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-musl - looks a name up by getaddrinfo(), linked with musl
 *
 * musl sends both queries on one socket, asks again after 2.5 s for what is
 * missing (res_msend.c), and does not know the options of glibc's resolver.
 */
#include "client.h"

#include <netdb.h>
#include <netinet/in.h>

int main(int argc, char **argv)
{
	struct outcome outcome = { .client = "lookup-musl", .lookups = 1 };
	/* One type of socket, or each address comes once for each. */
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL, *at;
	struct timespec start;

	outcome.name = client_name(argc, argv, outcome.client, "Look a name up, A and AAAA, by musl's resolver.");
	start = client_now();
	if (getaddrinfo(outcome.name, NULL, &hints, &found))
		found = NULL;
	outcome.lookup_s = client_since(start);
	for (at = found; at; at = at->ai_next) {
		if (at->ai_family == AF_INET)
			client_add(&outcome, AF_INET, &((const struct sockaddr_in *)(const void *)at->ai_addr)->sin_addr);
		else if (at->ai_family == AF_INET6)
			client_add(&outcome, AF_INET6, &((const struct sockaddr_in6 *)(const void *)at->ai_addr)->sin6_addr);
	}
	if (found)
		freeaddrinfo(found);
	return client_report(&outcome);
}
