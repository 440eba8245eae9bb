// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-clients - look up a name as two clients behind one gateway
 *
 * The race of source NAT: two clients happen to send from the same port, to the
 * same server, at the same time. The gateway gives both the same address; while
 * neither entry is confirmed, both also keep the port, and the second one
 * clashes. The race is rare, so a lookup can be repeated many times.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "together.h"

static const struct client client = {
	.program = "lookup-clients",
	.about =
"Look up a name's A and AAAA records as two clients: each query is sent from another address\n"
"of this machine, which needs two, from the same port and at the same time, on two\n"
"processors if available; after the timeout unanswered queries are retransmitted one after\n"
"the other. Of resolv.conf only the first nameserver is used.\n",
	.timeout_s = 5,
};

/* Finds the machine's first two IPv4 addresses; returns whether it has two. */
static bool find_addresses(struct sockaddr_in addresses[BOTH])
{
	struct ifaddrs *all, *one;
	unsigned int found = 0;

	if (getifaddrs(&all) != 0)
		return false;
	for (one = all; one && found < BOTH; one = one->ifa_next)
		if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET && !(one->ifa_flags & IFF_LOOPBACK))
			memcpy(&addresses[found++], one->ifa_addr, sizeof(addresses[0]));
	freeifaddrs(all);
	return found == BOTH;
}

/* Returns a socket bound to an address and connected to the server; negative on error. */
static int connect_from(struct sockaddr_in *address, const struct server *server)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)address, length) == 0 &&
	    connect(fd, (const struct sockaddr *)&server->address, server->length) == 0 &&
	    getsockname(fd, (struct sockaddr *)address, &length) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The first socket gets any free port, the second one the same. */
static bool connect_both(struct exchange exchanges[BOTH], const struct server *server, struct lookup *lookup)
{
	struct sockaddr_in addresses[BOTH];
	unsigned int i;

	if (!find_addresses(addresses)) {
		lookup_failed(lookup, "this machine does not have two IPv4 addresses");
		return false;
	}
	addresses[0].sin_port = 0;
	for (i = 0; i < BOTH; i++) {
		if (i)
			addresses[i].sin_port = addresses[0].sin_port;
		exchanges[i].socket = connect_from(&addresses[i], server);
		if (exchanges[i].socket < 0) {
			lookup_failed(lookup, strerror(errno));
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	return look_up_together(&client, connect_both, argc, argv);
}
