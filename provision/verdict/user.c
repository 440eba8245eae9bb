// SPDX-License-Identifier: GPL-2.0
/*
 * user.out - the verdict program: accepts every packet of an NFQUEUE
 *
 * It represents the user-space part of a security product. It can hold packets
 * until a number of them wait, or for a time, which reliably arms the race
 * between two queries of one flow. It can also fail as such a product does: be
 * slow, let its queue fill, or die.
 *
 * A packet is logged before its verdict is sent, so the log is complete before
 * any later event of the packet.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>	/* before linux/netfilter.h, which uses it unincluded in 3.10.0-123 */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <libnetfilter_queue/libnetfilter_queue.h>

#include "lanes.h"
#include "log.h"

#define VERSION "1.0"

enum {
	EXIT_USAGE = 2,
	EXIT_BROKEN = 3,

	/* Enough for a DNS question; the rest is not needed. */
	COPY_BYTES = 512,
	/* A message of the kernel: a packet's copy and its attributes. */
	MESSAGE_BYTES = 4096,
	/* Maximum of --hold-packets. */
	MAX_WAITING = 1024,
	/* Messages received per system call; more would save almost nothing. */
	BATCH = 64,
	/* Limits of the kernel's queue: default number of packets, and the socket's buffer in bytes. */
	QUEUE_PACKETS = 8192,
	SOCKET_BYTES = 4 << 20,
};

static const char help[] =
"Usage: user.out [OPTION]...\n"
"Accept every packet of an NFQUEUE, at once or after holding it.\n"
"\n"
"  -q, --queue N          the queue's number, 0 to 65535 (default 0)\n"
"      --hold-packets N   release packets when N of them wait, 1 to 1024 (default 1)\n"
"      --hold-ms T        ... or each of them T milliseconds after its arrival,\n"
"                         whichever is first (default 0: at once)\n"
"      --queue-packets N  maximum number of packets in the kernel's queue, 1 to 65535\n"
"                         (default 8192); a full queue drops packets\n"
"      --fail-open        ... or passes them, without a log line (Linux 3.6).\n"
"                         Without a listening program the rule decides:\n"
"                         --queue-bypass of iptables, bypass of nft\n"
"      --work-ms T        take T milliseconds for each packet, one after the other, as a\n"
"                         slow program does; the others wait meanwhile (default 0)\n"
"      --die-after N      die (SIGKILL) at the Nth packet, without its verdict; the kernel\n"
"                         drops all packets that wait\n"
"      --no-conntrack     do not request the conntracks: faster, \"ct_id\" is null\n"
"      --lanes A-B        serve the queue in each of the lab's lanes A to B, 0 to 127;\n"
"                         in FILE, {lane} is the lane's name\n"
"  -l, --log FILE         append the log to FILE (default: standard output)\n"
"  -h, --help             show this\n"
"  -V, --version          show the version\n"
"\n"
"The log has one JSON object per line: \"start\" with both clocks, a \"packet\" for\n"
"each packet (times of CLOCK_MONOTONIC in seconds; \"ct_id\" identifies its\n"
"conntrack, if the kernel sends it), \"end\" or \"died\". The program is ready when\n"
"/proc/net/netfilter/nfnetlink_queue has a row for the queue with a 2 in the\n"
"fourth column (the copy mode). SIGTERM or SIGINT ends it: waiting packets are accepted.\n"
"\n"
"Examples:\n"
"  user.out                                      accept at once\n"
"  user.out --hold-packets 2 --hold-ms 100       wait for a second packet\n"
"  user.out -q 3 --log /run/verdict.jsonl\n"
"\n"
"Exit status: 0 ended by a signal, 2 bad usage, 3 the queue is not available.\n";

struct options {
	unsigned int queue;
	unsigned int hold_packets;
	unsigned int hold_ms;
	unsigned int queue_packets;
	bool fail_open;
	unsigned int work_ms;
	unsigned int die_after;
	bool no_conntrack;
	/* Otherwise it serves the network namespace that it runs in. */
	bool serves_lanes;
	struct lanes lanes;
	const char *log;
};

/* Buffers for a batch of messages. */
struct inbox {
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	char buffers[BATCH][MESSAGE_BYTES] __attribute__((aligned(8)));
};

struct program {
	struct options options;
	struct log log;
	struct inbox inbox;
	struct nfq_q_handle *queue;
	struct packet waiting[MAX_WAITING];
	unsigned int count;
	struct timespec received;
	/* Packets received, and those released. */
	unsigned long seen;
	unsigned long packets;
	unsigned long overruns;
};

/*
 * Used by the signal handler to interrupt a current or coming wait for packets.
 * A signal mask would cost two system calls per packet.
 */
static volatile sig_atomic_t stopped_by;
static int queue_fd, stopped_fd;

static long long nanoseconds(struct timespec time)
{
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/*
 * A batch verdict applies to all packets up to the given id, so it is used only
 * for the first waiting ones, which were all received.
 */
static int accept_first(struct program *program, unsigned int count)
{
	uint32_t last = program->waiting[count - 1].id;

	if (count == 1)
		return nfq_set_verdict(program->queue, last, NF_ACCEPT, 0, NULL);
	return nfq_set_verdict_batch(program->queue, last, NF_ACCEPT);
}

/* Releases the first waiting packets at once. */
static void release_together(struct program *program, unsigned int count)
{
	struct timespec released = now(CLOCK_MONOTONIC);
	unsigned int i;

	if (count == 0)
		return;
	for (i = 0; i < count; i++)
		log_packet(&program->log, &program->waiting[i], released, "accept");
	write_log(&program->log);
	if (accept_first(program, count) < 0) {
		int error = errno;

		for (i = 0; i < count; i++)
			log_error(&program->log, &program->waiting[i], error);
		write_log(&program->log);
	}
	program->packets += count;
	program->count -= count;
	memmove(program->waiting, program->waiting + count, program->count * sizeof(program->waiting[0]));
}

/* Releases the first waiting packets, each after its work; a signal ends the work. */
static void release(struct program *program, unsigned int count)
{
	const struct timespec work = {
		.tv_sec = program->options.work_ms / 1000,
		.tv_nsec = program->options.work_ms % 1000 * 1000000L,
	};

	if (!program->options.work_ms) {
		release_together(program, count);
		return;
	}
	while (count--) {
		if (!stopped_by)
			nanosleep(&work, NULL);
		release_together(program, 1);
	}
}

static void die(struct program *program)
{
	log_died(&program->log, program->packets, program->count);
	write_log(&program->log);
	kill(getpid(), SIGKILL);
}

/* Releases a multiple of --hold-packets packets. */
static void release_full(struct program *program)
{
	release(program, program->count - program->count % program->options.hold_packets);
}

/* Returns the remaining hold time of a packet, in nanoseconds. */
static long long time_left(const struct program *program, unsigned int packet, struct timespec at)
{
	long long held = nanoseconds(at) - nanoseconds(program->waiting[packet].queued);

	return program->options.hold_ms * 1000000LL - held;
}

/* Releases packets whose hold time is over, and returns the remaining hold time of the next one. */
static struct timespec release_held(struct program *program)
{
	struct timespec at = program->count ? now(CLOCK_MONOTONIC) : (struct timespec){ 0 };
	unsigned int count = 0;
	long long left = 0;

	while (count < program->count && (left = time_left(program, count, at)) <= 0)
		count++;
	release(program, count);
	return (struct timespec){ .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
}

static void on_message(struct program *program, const char *message, size_t length)
{
	struct packet *packet;

	if (program->count == MAX_WAITING)
		release_full(program);
	packet = &program->waiting[program->count];
	if (!read_packet(message, length, packet))
		return;
	packet->queued = program->received;
	program->count++;
	program->seen++;
	if (program->options.die_after && program->seen >= program->options.die_after)
		die(program);
}

static void prepare(struct inbox *inbox)
{
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		inbox->parts[i].iov_base = inbox->buffers[i];
		inbox->parts[i].iov_len = MESSAGE_BYTES;
		inbox->messages[i].msg_hdr.msg_iov = &inbox->parts[i];
		inbox->messages[i].msg_hdr.msg_iovlen = 1;
	}
}

enum received { NOTHING, SOMETHING, NOTHING_EVER };

/* Receives at most a batch of messages; "flags" is recvmmsg(2)'s. */
static enum received receive(struct program *program, int flags)
{
	struct inbox *inbox = &program->inbox;
	int count = recvmmsg(queue_fd, inbox->messages, BATCH, flags, NULL);
	int i;

	if (count < 0) {
		switch (errno) {
		case EAGAIN:
			return NOTHING;
		case EINTR:
			return SOMETHING;
		case ENOBUFS:
			/* The socket's buffer was full, and the kernel dropped packets. */
			program->overruns++;
			return SOMETHING;
		default:
			fprintf(stderr, "user.out: the queue cannot be read: %s\n", strerror(errno));
			return NOTHING_EVER;
		}
	}
	program->received = now(CLOCK_MONOTONIC);
	for (i = 0; i < count; i++)
		on_message(program, inbox->buffers[i], inbox->messages[i].msg_len);
	release_full(program);
	return SOMETHING;
}

static void stop(int number)
{
	const uint64_t one = 1;
	int error = errno;

	stopped_by = number;
	fcntl(queue_fd, F_SETFL, O_NONBLOCK);
	/* An eventfd accepts any number of writes here. */
	if (write(stopped_fd, &one, sizeof(one)) < 0)
		abort();
	errno = error;
}

/* Signals are blocked until the queue is ready. */
static bool listen_for_signals(sigset_t *stopping)
{
	const struct sigaction action = { .sa_handler = stop };

	/* A closed log pipe must not end the program. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(stopping);
	sigaddset(stopping, SIGTERM);
	sigaddset(stopping, SIGINT);
	sigprocmask(SIG_BLOCK, stopping, NULL);
	stopped_fd = eventfd(0, EFD_CLOEXEC);
	return stopped_fd >= 0 && !sigaction(SIGTERM, &action, NULL) && !sigaction(SIGINT, &action, NULL);
}

/* Waits for a packet for at most the remaining hold time; returns whether there is one. */
static bool wait_for_packet(struct timespec bound)
{
	struct pollfd ready[] = {
		{ .fd = queue_fd, .events = POLLIN },
		{ .fd = stopped_fd, .events = POLLIN },
	};

	return ppoll(ready, 2, &bound, NULL) > 0 && ready[0].revents;
}

static bool serve(struct program *program)
{
	enum received received = SOMETHING;
	unsigned int batches;

	while (received != NOTHING_EVER && !stopped_by) {
		struct timespec left = release_held(program);

		if (!program->count)
			received = receive(program, MSG_WAITFORONE);
		else if (wait_for_packet(left))
			received = receive(program, MSG_DONTWAIT);
	}
	/* At most a full queue: in a flood it would not end. */
	for (batches = 0; received == SOMETHING && batches < QUEUE_PACKETS; batches++)
		received = receive(program, MSG_DONTWAIT);
	release(program, program->count);
	return received != NOTHING_EVER;
}

static int refuse(const struct options *options, int error)
{
	const char *why = strerror(error);

	if (error == EOPNOTSUPP)
		why = "this kernel does not support --fail-open";
	else if (error == EPERM && geteuid() != 0)
		why = "this needs root (CAP_NET_ADMIN)";
	else if (error == EPERM || error == EBUSY)
		why = "another program is bound to it: see /proc/net/netfilter/nfnetlink_queue";
	fprintf(stderr, "user.out: queue %u is not available: %s\n", options->queue, why);
	return EXIT_BROKEN;
}

static int run(struct program *program)
{
	struct nfq_handle *handle = nfq_open();
	sigset_t stopping;
	bool well;

	if (!handle)
		return refuse(&program->options, errno);
	queue_fd = nfq_fd(handle);
	if (!listen_for_signals(&stopping))
		return refuse(&program->options, errno);

	program->queue = nfq_create_queue(handle, (uint16_t)program->options.queue, NULL, NULL);
	if (!program->queue ||
	    nfq_set_queue_maxlen(program->queue, program->options.queue_packets) < 0 ||
	    (program->options.fail_open &&
	     nfq_set_queue_flags(program->queue, NFQA_CFG_F_FAIL_OPEN, NFQA_CFG_F_FAIL_OPEN) < 0)) {
		int error = errno;

		nfq_close(handle);
		return refuse(&program->options, error);
	}
	/*
	 * If a kernel does not support this, the fields are missing in the log. NFQA_CFG_F_GSO is not needed: it avoids
	 * segmentation of large packets, and DNS queries are small.
	 */
	if (!program->options.no_conntrack)
		nfq_set_queue_flags(program->queue, NFQA_CFG_F_CONNTRACK, NFQA_CFG_F_CONNTRACK);
	nfnl_rcvbufsiz(nfq_nfnlh(handle), SOCKET_BYTES);
	prepare(&program->inbox);
	log_start(&program->log, program->options.queue, program->options.hold_packets, program->options.hold_ms);
	write_log(&program->log);
	/* Last: from here on the kernel lists the queue as ready. */
	if (nfq_set_mode(program->queue, NFQNL_COPY_PACKET, COPY_BYTES) < 0) {
		int error = errno;

		nfq_close(handle);
		return refuse(&program->options, error);
	}

	sigprocmask(SIG_UNBLOCK, &stopping, NULL);
	well = serve(program);
	nfq_destroy_queue(program->queue);
	nfq_close(handle);
	log_end(&program->log, program->packets, program->overruns,
		stopped_by == SIGINT ? "SIGINT" : "SIGTERM");
	write_log(&program->log);
	return well ? EXIT_SUCCESS : EXIT_BROKEN;
}

static unsigned int number(const char *option, const char *text, unsigned int least, unsigned int most)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < (long)least || value > (long)most) {
		fprintf(stderr, "user.out: %s takes a number from %u to %u, not '%s'\n", option, least, most, text);
		exit(EXIT_USAGE);
	}
	return (unsigned int)value;
}

static void parse_options(int argc, char **argv, struct options *options)
{
	enum { HOLD_PACKETS = 256, HOLD_MS, MAX_PACKETS, FAIL_OPEN, WORK_MS, DIE_AFTER, NO_CONNTRACK, LANES };
	static const struct option known[] = {
		{ "queue", required_argument, NULL, 'q' },
		{ "hold-packets", required_argument, NULL, HOLD_PACKETS },
		{ "hold-ms", required_argument, NULL, HOLD_MS },
		{ "queue-packets", required_argument, NULL, MAX_PACKETS },
		{ "fail-open", no_argument, NULL, FAIL_OPEN },
		{ "work-ms", required_argument, NULL, WORK_MS },
		{ "die-after", required_argument, NULL, DIE_AFTER },
		{ "no-conntrack", no_argument, NULL, NO_CONNTRACK },
		{ "lanes", required_argument, NULL, LANES },
		{ "log", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "q:l:hV", known, NULL)) != -1) {
		switch (option) {
		case 'q':
			options->queue = number("--queue", optarg, 0, 65535);
			break;
		case HOLD_PACKETS:
			options->hold_packets = number("--hold-packets", optarg, 1, MAX_WAITING);
			break;
		case HOLD_MS:
			options->hold_ms = number("--hold-ms", optarg, 0, 60000);
			break;
		case MAX_PACKETS:
			options->queue_packets = number("--queue-packets", optarg, 1, 65535);
			break;
		case FAIL_OPEN:
			options->fail_open = true;
			break;
		case WORK_MS:
			options->work_ms = number("--work-ms", optarg, 0, 60000);
			break;
		case DIE_AFTER:
			options->die_after = number("--die-after", optarg, 1, MAX_WAITING);
			break;
		case NO_CONNTRACK:
			options->no_conntrack = true;
			break;
		case LANES:
			options->serves_lanes = true;
			if (parse_lanes(optarg, &options->lanes))
				break;
			fprintf(stderr, "user.out: --lanes takes two lanes from 0 to %d, such as 0-3, not '%s'\n",
				MOST_LANES - 1, optarg);
			exit(EXIT_USAGE);
		case 'l':
			options->log = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_SUCCESS);
		case 'V':
			puts("user.out " VERSION);
			exit(EXIT_SUCCESS);
		default:
			/* getopt_long has printed the error. */
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "user.out: '%s' is not an option: see --help\n", argv[optind]);
		exit(EXIT_USAGE);
	}
	if (options->serves_lanes && !options->log) {
		fputs("user.out: --lanes needs --log with {lane} in its FILE\n", stderr);
		exit(EXIT_USAGE);
	}
}

int main(int argc, char **argv)
{
	static struct program program = {
		.options = { .hold_packets = 1, .queue_packets = QUEUE_PACKETS },
		.log = { .file = STDOUT_FILENO },
	};

	parse_options(argc, argv, &program.options);
	if (program.options.serves_lanes) {
		program.options.log = enter_a_lane(&program.options.lanes, program.options.log);
		if (!program.options.log) {
			fprintf(stderr, "user.out: a lane cannot be served: %s\n", strerror(errno));
			return EXIT_BROKEN;
		}
	}
	if (program.options.log) {
		program.log.file = open(program.options.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (program.log.file < 0) {
			fprintf(stderr, "user.out: %s cannot be opened: %s\n", program.options.log, strerror(errno));
			return EXIT_BROKEN;
		}
	}
	return run(&program);
}
