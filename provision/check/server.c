// SPDX-License-Identifier: GPL-2.0
/* Answers any question with one record, regardless of the name (RFC 1035, 4). */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "capture.h"
#include "check.h"
#include "network.h"

enum {
	TYPE_A = 1,
	TYPE_AAAA = 28,	/* RFC 3596, 2.1 */
	DNS_PORT = 53,
	/* Maximum length over UDP (RFC 1035, 4.2.1). */
	MESSAGE_BYTES = 512,
	HEADER_BYTES = 12,
	/* After the question's name: type and class. */
	QUESTION_BYTES = 4,
	/* A pointer to the name, type, class, time to live, length, and an IPv6 address. */
	RECORD_BYTES = 12 + 16,
};

static const unsigned char answer4[16] = { 10, 10, 10, 53 };
static const unsigned char answer6[16] = { 0xfd, [15] = 0x53 };

/* Returns the end of the question; 0 if this is not a query for one name. */
static size_t question_end(const unsigned char *query, size_t length)
{
	size_t at = HEADER_BYTES;

	if (length < HEADER_BYTES || query[2] & 0x80 || query[4] != 0 || query[5] != 1)
		return 0;
	while (at < length && query[at] != 0 && query[at] < 64)
		at += (size_t)query[at] + 1;
	if (at + 1 + QUESTION_BYTES > length || query[at] != 0)
		return 0;
	return at + 1 + QUESTION_BYTES;
}

static unsigned int type_of(const unsigned char *query, size_t end)
{
	return (unsigned int)query[end - QUESTION_BYTES] << 8 | query[end - QUESTION_BYTES + 1];
}

/* Turns the query into an answer, and returns its length. */
static size_t answer(unsigned char *message, size_t end)
{
	const unsigned int type = type_of(message, end);
	const bool is_known = type == TYPE_A || type == TYPE_AAAA;
	const unsigned char length = type == TYPE_A ? 4 : 16;
	const unsigned char record[] = { 0xc0, HEADER_BYTES, 0, (unsigned char)type, 0, 1, 0, 0, 0, 0, 0, length };

	message[2] = 0x85;	/* a response, authoritative, recursion was desired */
	message[3] = 0x80;	/* recursion is available, no error */
	memset(message + 6, 0, 6);
	if (!is_known)
		return end;
	message[7] = 1;
	memcpy(message + end, record, sizeof(record));
	memcpy(message + end + sizeof(record), type == TYPE_A ? answer4 : answer6, length);
	return end + sizeof(record) + length;
}

/* Logs in dnsmasq's format, which the lab parses. */
static void log_query(FILE *log, unsigned int serial, const struct sockaddr_in *from, unsigned int type)
{
	const time_t at = time(NULL);
	struct tm utc;
	char when[32], who[INET_ADDRSTRLEN], number[16];

	gmtime_r(&at, &utc);
	strftime(when, sizeof(when), "%b %e %H:%M:%S", &utc);
	inet_ntop(AF_INET, &from->sin_addr, who, sizeof(who));
	snprintf(number, sizeof(number), "type=%u", type);
	fprintf(log, "%s lab-dns[%d]: %u %s/%u query[%s] %s from %s\n", when, (int)getpid(), serial, who,
		ntohs(from->sin_port), type == TYPE_A ? "A" : type == TYPE_AAAA ? "AAAA" : number, NAME, who);
	fflush(log);
}

static int listen_for_queries(const char *address)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &own.sin_addr);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0)
		give_up("listen on", address);
	return fd;
}

static void serve(int fd, FILE *log, unsigned int serial)
{
	unsigned char message[MESSAGE_BYTES + RECORD_BYTES];
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	ssize_t got = recvfrom(fd, message, MESSAGE_BYTES, 0, (struct sockaddr *)&from, &length);
	size_t end = got > 0 ? question_end(message, (size_t)got) : 0;

	if (end == 0)
		return;
	log_query(log, serial, &from, type_of(message, end));
	sendto(fd, message, answer(message, end), 0, (const struct sockaddr *)&from, length);
}

void server_run(int ready)
{
	FILE *log = fopen(FILES "/dnsmasq.log", "wxe");
	struct capture capture;
	struct pollfd sources[3];
	unsigned int serial = 0, i;

	if (!log)
		give_up("write", "the server's log");
	network_begin(SERVER_LINK, SERVER_ADDRESS);
	network_add_address(SERVER_LINK, SECOND_ADDRESS);
	network_await(SERVER_LINK);
	capture = capture_begin(SERVER_LINK, FILES "/server.pcap");
	sources[0] = (struct pollfd){ .fd = listen_for_queries(SERVER_ADDRESS), .events = POLLIN };
	sources[1] = (struct pollfd){ .fd = listen_for_queries(SECOND_ADDRESS), .events = POLLIN };
	sources[2] = (struct pollfd){ .fd = capture.socket, .events = POLLIN };
	if (write(ready, "R", 1) != 1)
		give_up("report", "the server");
	for (;;) {
		if (poll(sources, 3, -1) < 0 && errno != EINTR)
			give_up("wait for", "queries");
		capture_write(&capture);
		for (i = 0; i < 2; i++)
			if (sources[i].revents)
				serve(sources[i].fd, log, ++serial);
	}
}
