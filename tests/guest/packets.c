// SPDX-License-Identifier: GPL-2.0
/*
 * packets - sends packets that a DNS hook must survive
 *
 * Built and run inside a guest, as root, in a lane of the test network.
 * Usage: packets KIND ADDRESS
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define ID 0x1234

/* A query for the A record of www.lab.test. */
static const unsigned char query[] =
	"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	"\x03www\x03lab\x04test\x00\x00\x01\x00\x01";
#define QUERY_BYTES (sizeof(query) - 1)

static struct sockaddr_in server = { .sin_family = AF_INET };

static int udp_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server)))
		err(1, "UDP socket");
	return fd;
}

/* A hand-made IP packet: flags and offset, and the data after the header. */
static void send_raw(unsigned short frag_off, unsigned int option_words, const void *payload, size_t length)
{
	unsigned char packet[512] = { 0 };
	struct iphdr *ip = (struct iphdr *)packet;
	size_t header = sizeof(*ip) + option_words * 4;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);

	/* Otherwise conntrack would reassemble fragments before any hook sees them (ip(7)). */
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_NODEFRAG, &(int){ 1 }, sizeof(int)))
		err(1, "raw socket");
	ip->version = 4;
	ip->ihl = header / 4;
	ip->id = htons(7);
	ip->frag_off = htons(frag_off);
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->daddr = server.sin_addr.s_addr;
	memset(packet + sizeof(*ip), 1, option_words * 4);	/* no-operation */
	memcpy(packet + header, payload, length);
	if (sendto(fd, packet, header + length, 0, (struct sockaddr *)&server, sizeof(server)) < 0)
		err(1, "raw send");
}

/* A UDP datagram with the given number of bytes of the query. */
static size_t udp_query(unsigned char *buffer, size_t payload)
{
	struct udphdr udp = {
		.source = htons(40000),
		.dest = server.sin_port,
		.len = htons(sizeof(udp) + payload),
	};

	memcpy(buffer, &udp, sizeof(udp));
	memcpy(buffer + sizeof(udp), query, payload);
	return sizeof(udp) + payload;
}

/* The payload stays in page cache pages: the linear part has only headers. */
static void send_nonlinear(void)
{
	int file = memfd_create("query", 0);
	int fd = udp_socket();

	if (file < 0 || write(file, query, QUERY_BYTES) != (ssize_t)QUERY_BYTES)
		err(1, "memory file");
	if (sendfile(fd, file, &(off_t){ 0 }, QUERY_BYTES) != (ssize_t)QUERY_BYTES)
		err(1, "sendfile");
}

int main(int argc, char **argv)
{
	unsigned char buffer[256];
	size_t length;

	if (argc != 3)
		errx(2, "usage: packets KIND ADDRESS");
	server.sin_port = htons(53);
	if (inet_pton(AF_INET, argv[2], &server.sin_addr) != 1)
		errx(2, "'%s' is not an address", argv[2]);
	length = udp_query(buffer, QUERY_BYTES);

	if (!strcmp(argv[1], "first-fragment"))
		send_raw(IP_MF, 0, buffer, 32);		/* a multiple of eight bytes */
	else if (!strcmp(argv[1], "later-fragment"))
		send_raw(4, 0, buffer, length);
	else if (!strcmp(argv[1], "cut-header"))
		send_raw(0, 0, buffer, 4);
	else if (!strcmp(argv[1], "no-payload"))
		send_raw(0, 0, buffer, udp_query(buffer, 0));
	else if (!strcmp(argv[1], "one-byte"))
		send_raw(0, 0, buffer, udp_query(buffer, 1));
	else if (!strcmp(argv[1], "wrong-length"))
		send_raw(0, 0, buffer, 9);
	else if (!strcmp(argv[1], "options"))
		send_raw(0, 3, buffer, length);
	else if (!strcmp(argv[1], "nonlinear"))
		send_nonlinear();
	else
		errx(2, "no kind of packet is called '%s'", argv[1]);
	return 0;
}
