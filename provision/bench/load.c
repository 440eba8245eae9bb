// SPDX-License-Identifier: GPL-2.0
/*
 * load - sends DNS queries through a lane in rounds, and receives them
 *
 * Built and run inside a guest, as root, in a lane of the test network: it
 * sends in the lane and receives in the server's namespace. All packets of a
 * round are in flight at once; a round of one packet is a round trip. The last
 * packet of a round goes to the next address: a queue keeps the order, so that
 * its receiver is woken only once per round.
 * Usage: load NAMESPACE ADDRESS ROUNDS PACKETS [burst PID | flow [PID]]
 *        burst: the process is stopped while a round is sent, and the timing
 *        starts when it continues: the time it takes to empty the queue.
 *        flow: no rounds; each received packet is replaced by the next one, so
 *        that the number of packets in flight is constant.
 * Prints the number of packets sent, of packets received, and the median time
 * of a round in seconds. In a flow: the mean time for PACKETS packets, then the
 * processor time for PACKETS packets of this program, which sends, and of the
 * process PID. The one that uses all the time is the bottleneck.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MOST_PACKETS = 1024,
	MOST_ROUNDS = 100000,
	/* Timeout after which a packet counts as lost. */
	LOST_MS = 5000,
	/* Packets received per system call. */
	BATCH = 64,
};

/* A query for the A record of www.lab.test. */
static char query[] =
	"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	"\x03www\x03lab\x04test\x00\x00\x01\x00\x01";

static struct mmsghdr messages[MOST_PACKETS];
static double took[MOST_ROUNDS];

static double time_of(clockid_t clock)
{
	struct timespec time;

	if (clock_gettime(clock, &time))
		err(1, "clock");
	return time.tv_sec + time.tv_nsec / 1e9;
}

static double now(void)
{
	return time_of(CLOCK_MONOTONIC);
}

/* Processor time of a process, in seconds; 0 for no process. */
static double processor_time(pid_t pid)
{
	clockid_t clock;

	if (!pid)
		return 0;
	errno = clock_getcpuclockid(pid, &clock);
	if (errno)
		err(1, "process %d", pid);
	return time_of(clock);
}

/* A path through the lane: sending and receiving socket. */
struct path {
	struct sockaddr_in server;
	int in;
	int out;
};

static int udp_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		err(1, "UDP socket");
	return fd;
}

static void open_here(struct path *path)
{
	path->in = udp_socket();
	if (connect(path->in, (struct sockaddr *)&path->server, sizeof(path->server)))
		err(1, "connect");
}

static void open_there(struct path *path)
{
	path->out = udp_socket();
	/* Large enough for a whole round. */
	if (setsockopt(path->out, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ 4 << 20 }, sizeof(int)) ||
	    bind(path->out, (struct sockaddr *)&path->server, sizeof(path->server)))
		err(1, "bind");
}

static void enter(const char *namespace)
{
	int fd = open(namespace, O_RDONLY);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", namespace);
	close(fd);
}

static void send_all(const struct path *path, unsigned int packets)
{
	unsigned int sent = 0;

	while (sent < packets) {
		int count = sendmmsg(path->in, messages + sent, packets - sent, 0);

		if (count < 0)
			err(1, "send");
		sent += count;
	}
}

/* In batches: in a flow the measured process must not wait for the sender and receiver. */
static unsigned int receive_all(const struct path *path)
{
	/* The content is ignored. */
	struct mmsghdr nothing[BATCH] = { 0 };
	unsigned int received = 0;
	int count;

	while ((count = recvmmsg(path->out, nothing, BATCH, MSG_DONTWAIT, NULL)) > 0)
		received += count;
	return received;
}

static void signal_if_any(pid_t pid, int signal)
{
	if (pid && kill(pid, signal))
		err(1, "process %d", pid);
}

/* Returns the number of received packets; the time starts at the first packet, or when the process continues. */
static unsigned int round_of(const struct path *most, const struct path *last,
			     unsigned int packets, pid_t pid, double *seconds)
{
	struct pollfd ready = { .fd = last->out, .events = POLLIN };
	double begun = now();

	signal_if_any(pid, SIGSTOP);
	send_all(most, packets - 1);
	send_all(last, 1);
	if (pid)
		begun = now();
	signal_if_any(pid, SIGCONT);
	poll(&ready, 1, LOST_MS);
	*seconds = now() - begun;
	return receive_all(most) + receive_all(last);
}

/* The time for as many packets as a round has, in a flow, in seconds. */
struct cost {
	double elapsed;
	double of_sender;
	double of_program;
};

static struct cost spent(pid_t pid)
{
	return (struct cost){ now(), time_of(CLOCK_PROCESS_CPUTIME_ID), processor_time(pid) };
}

/* Returns the number of received packets of "rounds" times "packets". */
static unsigned long flow_of(const struct path *path, unsigned int rounds,
			     unsigned int packets, pid_t pid, struct cost *cost)
{
	struct pollfd ready = { .fd = path->out, .events = POLLIN };
	const unsigned long all = (unsigned long)rounds * packets;
	unsigned long sent = packets, received = 0;
	struct cost begun = spent(pid), ended;

	send_all(path, packets);
	while (received < all && poll(&ready, 1, LOST_MS) > 0) {
		unsigned int come = receive_all(path);
		unsigned int next = come < all - sent ? come : all - sent;

		received += come;
		send_all(path, next);
		sent += next;
	}
	ended = spent(pid);
	cost->elapsed = (ended.elapsed - begun.elapsed) / rounds;
	cost->of_sender = (ended.of_sender - begun.of_sender) / rounds;
	cost->of_program = (ended.of_program - begun.of_program) / rounds;
	return received;
}

static int ascending(const void *one, const void *other)
{
	double difference = *(const double *)one - *(const double *)other;

	return (difference > 0) - (difference < 0);
}

static unsigned int number(const char *text, long most)
{
	long value = strtol(text, NULL, 10);

	if (value < 1 || value > most)
		errx(2, "'%s' is not a number from 1 to %ld", text, most);
	return value;
}

int main(int argc, char **argv)
{
	struct iovec iov = { .iov_base = query, .iov_len = sizeof(query) - 1 };
	struct path most = { .server = { .sin_family = AF_INET, .sin_port = htons(53) } };
	unsigned long received = 0;
	unsigned int rounds, packets, i;
	struct path last;
	bool flows, bursts;
	pid_t pid;

	flows = argc > 5 && !strcmp(argv[5], "flow");
	bursts = argc > 5 && !strcmp(argv[5], "burst");
	if (argc < 5 || argc > 7 || (argc > 5 && !flows && !bursts) || (bursts && argc < 7))
		errx(2, "usage: load NAMESPACE ADDRESS ROUNDS PACKETS [burst PID | flow [PID]]");
	if (inet_pton(AF_INET, argv[2], &most.server.sin_addr) != 1)
		errx(2, "'%s' is not an address", argv[2]);
	rounds = number(argv[3], MOST_ROUNDS);
	packets = number(argv[4], MOST_PACKETS);
	pid = argc > 6 ? (pid_t)number(argv[6], INT_MAX) : 0;
	for (i = 0; i < packets; i++) {
		messages[i].msg_hdr.msg_iov = &iov;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	last = most;
	last.server.sin_addr.s_addr = htonl(ntohl(most.server.sin_addr.s_addr) + 1);
	open_here(&most);
	open_here(&last);
	enter(argv[1]);
	open_there(&most);
	open_there(&last);

	/* Afterwards conntrack has both flows: there is no race here. */
	if (round_of(&most, &last, 2, 0, took) != 2)
		errx(1, "packets do not pass the lane");
	if (flows) {
		struct cost cost;

		received = flow_of(&most, rounds, packets, pid, &cost);
		printf("%lu %lu %.9f %.9f %.9f\n", (unsigned long)rounds * packets, received,
		       cost.elapsed, cost.of_sender, cost.of_program);
		return 0;
	}
	for (i = 0; i < rounds; i++)
		received += round_of(&most, &last, packets, pid, &took[i]);
	qsort(took, rounds, sizeof(*took), ascending);
	printf("%lu %lu %.9f\n", (unsigned long)rounds * packets, received, took[rounds / 2]);
	return 0;
}
