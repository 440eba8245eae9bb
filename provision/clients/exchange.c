// SPDX-License-Identifier: GPL-2.0
/* Queries over UDP, and waiting for their answers. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"

static bool parse_address(const char *text, struct server *server)
{
	/* Numeric only, without a lookup; also parses "fe80::1%eth0". */
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found;

	if (getaddrinfo(text, "53", &hints, &found))
		return false;
	memcpy(&server->address, found->ai_addr, found->ai_addrlen);
	server->length = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

struct server server_read(void)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	struct server server;
	bool found = false;
	char line[256], text[128];

	memset(&server, 0, sizeof(server));
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "nameserver %127s", text) == 1 && parse_address(text, &server);
	if (file)
		fclose(file);
	if (!found)
		parse_address("127.0.0.1", &server);
	return server;
}

int server_connect(const struct server *server, struct lookup *lookup)
{
	int fd = socket(server->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&server->address, server->length) == 0)
		return fd;
	lookup_failed(lookup, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

void exchanges_prepare(struct exchange exchanges[BOTH], const char *name)
{
	struct timespec now;
	uint16_t id;
	unsigned int i;

	/* The id must differ from the other query's and the last lookup's; it need not be unpredictable here. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	id = (uint16_t)((now.tv_nsec >> 4) ^ getpid());
	for (i = 0; i < BOTH; i++) {
		query_write(&exchanges[i].query, name, i ? TYPE_AAAA : TYPE_A, (uint16_t)(id + i));
		exchanges[i].socket = -1;
		exchanges[i].state = MISSING;
	}
}

void exchange_send(struct exchange *exchange, struct lookup *lookup)
{
	const struct query *query = &exchange->query;

	exchange->state = WAITING;
	if (send(exchange->socket, query->bytes, query->length, MSG_NOSIGNAL) == (ssize_t)query->length)
		return;
	lookup_failed(lookup, strerror(errno));
	exchange->state = MISSING;
}

/* Assigns one received message to the query that it answers; others are ignored. */
static void receive(int fd, struct exchange *exchanges, unsigned int count, struct lookup *lookup)
{
	unsigned char message[MESSAGE_BYTES];
	ssize_t length = recv(fd, message, sizeof(message), MSG_DONTWAIT);
	unsigned int i;

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A socket error, such as ECONNREFUSED, applies to all its queries. */
	if (length < 0)
		lookup_failed(lookup, strerror(errno));
	for (i = 0; i < count; i++) {
		struct exchange *exchange = &exchanges[i];

		if (exchange->socket != fd || exchange->state != WAITING)
			continue;
		if (length < 0)
			exchange->state = MISSING;
		else if (answer_read(&exchange->query, message, (size_t)length, lookup))
			exchange->state = ANSWERED;
	}
}

void exchanges_wait(struct exchange *exchanges, unsigned int count, double timeout_s, struct lookup *lookup)
{
	const double end_s = monotonic_s() + timeout_s;
	struct pollfd ready[BOTH];
	unsigned int i, waiting;
	double left_s;

	for (;;) {
		for (i = waiting = 0; i < count; i++) {
			const bool is_waiting = exchanges[i].state == WAITING;

			ready[i].fd = is_waiting ? exchanges[i].socket : -1;
			ready[i].events = POLLIN;
			ready[i].revents = 0;
			waiting += is_waiting;
		}
		left_s = end_s - monotonic_s();
		if (!waiting || left_s <= 0)
			break;
		/* Round up, to avoid a busy loop in the last millisecond. */
		if (poll(ready, count, (int)(left_s * 1000) + 1) <= 0)
			continue;
		for (i = 0; i < count; i++)
			if (ready[i].revents)
				receive(ready[i].fd, exchanges, count, lookup);
	}
	for (i = 0; i < count; i++) {
		if (exchanges[i].state != WAITING)
			continue;
		exchanges[i].state = MISSING;
		lookup_failed(lookup, "no answer in time");
	}
}
