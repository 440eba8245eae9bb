// SPDX-License-Identifier: GPL-2.0
/*
 * watch - prints the DNS packets and counters of all network namespaces of this machine
 *
 * It only reads, but for --trace. Nothing is left when it ends, however it ends:
 * it has sockets and child processes, and the kernel closes and ends both. What
 * --trace makes is removed by a process that outlives this one: see tracer.c.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "../check/caller.h"
#include "counters.h"
#include "files.h"
#include "lookups.h"
#include "names.h"
#include "output.h"
#include "spaces.h"
#include "tap.h"
#include "trace.h"

#define VERSION "1.0"

enum {
	TICK_MS = 100,
	/* With many packets it looks more often, so that they find room. */
	BUSY_TICK_MS = 5,
	BUSY_PACKETS = 500,
	AT_ONCE = 64,
	MOST_LOOKUPS = 100000,
	MOST_SECONDS = 31 * 86400,
	/* struct sk_buff is smaller. */
	MOST_OFFSET = 4096,
};

/* How long it stays after the last lookup. */
#define SETTLE_NS (3 * SECOND_NS / 2)
#define CONFIGURATION_NS (30 * SECOND_NS)
/* The configuration of namespaces without DNS is not read again. */
#define QUIET_NS (10 * SECOND_NS)

static const char help[] =
"Usage: watch [OPTION]...\n"
"Print the DNS packets, headers and questions only, and the counters of conntrack\n"
"and of queues in all network namespaces, as lines for the five-second lab.\n"
"\n"
"  -p, --port PORT        a port of DNS servers, instead of 53; up to 8 times\n"
"  -N, --no-names         replace each label of a name by a hash of the same length\n"
"  -s, --seconds N        end after so many seconds\n"
"  -l, --lookup NAME      look NAME up by getent, and end after the last lookup\n"
"  -n, --lookups N        so many times (default 1)\n"
"  -t, --trace BYTES      trace __nf_conntrack_confirm by kprobe events of an own tracefs\n"
"                         instance; BYTES is the offset of struct sk_buff's member data\n"
"  -x, --remove           remove this program's file and its directory at once\n"
"  -h, --help             show this\n"
"  -V, --version          show the version\n"
"\n"
"It ends at the end of its standard input, that is, when its caller has gone.\n"
"\n"
"Examples:\n"
"  sleep 60 | watch\n"
"\n"
"Exit status: 0 it ended as asked, 2 bad usage, 3 it could not watch.\n";

void give_up(const char *what, const char *which)
{
	fprintf(stderr, "watch: cannot %s %s: %s\n", what, which, strerror(errno));
	exit(EXIT_BROKEN);
}

struct clocks clocks_now(void)
{
	struct timespec monotonic, realtime;

	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_REALTIME, &realtime);
	return (struct clocks){
		.monotonic = (int64_t)monotonic.tv_sec * SECOND_NS + monotonic.tv_nsec,
		.realtime = (int64_t)realtime.tv_sec * SECOND_NS + realtime.tv_nsec,
	};
}

bool is_server(const struct wanted *wanted, unsigned int port)
{
	unsigned int i;

	for (i = 0; i < wanted->port_count; i++)
		if (wanted->ports[i] == port)
			return true;
	return false;
}

static void put_time(struct clocks now)
{
	output_put("t %lld %lld", (long long)now.monotonic, (long long)now.realtime);
	output_end_line();
}

/* Receives what has arrived; returns the number of packets. */
static unsigned int receive(int poller, const struct wanted *wanted)
{
	struct epoll_event ready[AT_ONCE];
	unsigned int packets = 0;
	int count, i;

	tap_set_clocks(clocks_now(), wanted);
	do {
		count = epoll_wait(poller, ready, AT_ONCE, 0);
		for (i = 0; i < count; i++)
			packets += tap_receive(ready[i].data.ptr);
	} while (count == AT_ONCE);
	return packets;
}

static void look_at_all(int poller, const struct wanted *wanted, struct clocks now)
{
	struct space **spaces;
	unsigned int count, i;

	spaces_look(wanted, poller);
	spaces = spaces_all(&count);
	for (i = 0; i < count; i++) {
		struct space *space = spaces[i];
		const bool quiet = !space->asked_at || now.monotonic - space->asked_at > QUIET_NS;

		counters_report(space);
		tap_report_lost(space);
		sockets_look(space, now.monotonic, wanted);
		if (!space->configured_at || (!quiet && now.monotonic - space->configured_at > CONFIGURATION_NS))
			configuration_report(space, now.monotonic);
	}
	put_time(now);
}

/* What is waited for. */
enum { CALLER, LOOKUPS, TRACE, SOURCES };

static void watch(const struct wanted *wanted)
{
	const int poller = epoll_create1(EPOLL_CLOEXEC);
	struct pollfd sources[] = {
		[CALLER] = { .fd = STDIN_FILENO, .events = POLLIN },
		[LOOKUPS] = { .fd = -1, .events = POLLIN },
		[TRACE] = { .fd = -1, .events = POLLIN },
	};
	int64_t end, look_at = 0;
	unsigned int packets = 0;
	bool begun = false;
	struct clocks now = clocks_now();

	if (poller < 0)
		give_up("make", "an epoll instance");
	spaces_begin();
	end = wanted->seconds ? now.monotonic + wanted->seconds * SECOND_NS : INT64_MAX;
	/* The first time follows when every namespace has its packet socket: until then nothing is seen. */
	output_put("watch 1 %lu", process_network(getpid()));
	output_end_line();
	sources[TRACE].fd = trace_begin(wanted);
	for (;;) {
		now = clocks_now();
		if (now.monotonic >= look_at) {
			look_at_all(poller, wanted, now);
			look_at = now.monotonic + SECOND_NS;
			/* Not before the packet sockets are open. */
			if (!begun)
				sources[LOOKUPS].fd = lookups_begin(wanted);
			begun = true;
		}
		packets = receive(poller, wanted);
		output_flush();
		if (now.monotonic >= end)
			break;
		poll(sources, SOURCES, packets > BUSY_PACKETS ? BUSY_TICK_MS : TICK_MS);
		if (sources[CALLER].revents && caller_has_gone()) {
			trace_end();
			return;
		}
		if (sources[TRACE].fd >= 0 && sources[TRACE].revents && !trace_continue())
			sources[TRACE].fd = -1;
		if (sources[LOOKUPS].fd >= 0 && sources[LOOKUPS].revents && lookups_continue(wanted)) {
			sources[LOOKUPS].fd = -1;
			end = clocks_now().monotonic + SETTLE_NS;
		}
	}
	trace_end();
	put_time(clocks_now());
	output_flush();
}

static void refuse(const char *why) __attribute__((noreturn));
static void refuse(const char *why)
{
	fprintf(stderr, "watch: %s: see --help\n", why);
	exit(EXIT_USAGE);
}

static unsigned int number(const char *text, long most, const char *why)
{
	char *rest;
	long value;

	errno = 0;
	value = strtol(text, &rest, 10);
	if (errno || rest == text || *rest || value < 1 || value > most)
		refuse(why);
	return (unsigned int)value;
}

static void add_port(struct wanted *wanted, const char *text)
{
	if (wanted->port_count == MOST_PORTS)
		refuse("--port can be given 8 times");
	wanted->ports[wanted->port_count++] = (uint16_t)number(text, UINT16_MAX, "--port takes 1 to 65535");
}

static void parse_options(int argc, char **argv, struct wanted *wanted)
{
	static const struct option known[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "no-names", no_argument, NULL, 'N' },
		{ "seconds", required_argument, NULL, 's' },
		{ "lookup", required_argument, NULL, 'l' },
		{ "lookups", required_argument, NULL, 'n' },
		{ "trace", required_argument, NULL, 't' },
		{ "remove", no_argument, NULL, 'x' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "p:Ns:l:n:t:xhV", known, NULL)) != -1) {
		switch (option) {
		case 'p':
			add_port(wanted, optarg);
			break;
		case 'N':
			wanted->hides_names = true;
			break;
		case 's':
			wanted->seconds = number(optarg, MOST_SECONDS, "--seconds takes 1 to 2678400");
			break;
		case 'l':
			wanted->name = optarg;
			break;
		case 'n':
			wanted->lookups = number(optarg, MOST_LOOKUPS, "--lookups takes 1 to 100000");
			break;
		case 't':
			wanted->data_offset = number(optarg, MOST_OFFSET, "--trace takes 1 to 4096");
			break;
		case 'x':
			caller_remove_program(argv[0]);
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_SUCCESS);
		case 'V':
			puts("watch " VERSION);
			exit(EXIT_SUCCESS);
		default:
			/* getopt_long has printed the error. */
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		refuse("too many arguments");
	if (wanted->name && (!*wanted->name || *wanted->name == '-'))
		refuse("--lookup takes a name");
	if (!wanted->port_count)
		wanted->ports[wanted->port_count++] = 53;
}

int main(int argc, char **argv)
{
	struct wanted wanted = { .lookups = 1 };

	parse_options(argc, argv, &wanted);
	if (geteuid() != 0) {
		fprintf(stderr, "watch: this needs root\n");
		return EXIT_BROKEN;
	}
	/* Opening a packet socket would load the kernel module. */
	if (access("/proc/net/packet", F_OK) < 0) {
		fprintf(stderr, "watch: this kernel has no packet sockets, or their module (af_packet) is not loaded\n");
		return EXIT_BROKEN;
	}
	/* A reader that has gone is an error of write(). */
	signal(SIGPIPE, SIG_IGN);
	if (wanted.hides_names)
		names_begin();
	watch(&wanted);
	return EXIT_SUCCESS;
}
