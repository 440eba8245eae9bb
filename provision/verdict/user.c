// SPDX-License-Identifier: GPL-2.0
/*
 * user.out - the verdict program: accepts every packet of an NFQUEUE
 *
 * It stands for the user-space half of a security product. It can hold
 * packets back until some more wait, or for a time: that is what arms the
 * race between two queries of one flow, instead of leaving it to chance.
 *
 * A packet's line is in the log before its verdict is sent, so whatever is
 * seen of the packet later, the log has it already.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <libnetfilter_queue/libnetfilter_queue.h>

#define VERSION "1.0"

enum {
	EXIT_USAGE = 2,
	EXIT_BROKEN = 3,

	/* Enough for a DNS question; what follows does not interest here. */
	COPY_BYTES = 512,
	/* A message of the kernel: a packet's copy and its attributes. */
	MESSAGE_BYTES = 4096,
	/* As many packets as --hold-packets may ask for. */
	MAX_WAITING = 1024,
	/* What the kernel keeps for us, in packets and in bytes of messages. */
	QUEUE_PACKETS = 8192,
	SOCKET_BYTES = 4 << 20,
};

static const char help[] =
"Usage: user.out [OPTION]...\n"
"Accept every packet that is sent to an NFQUEUE, now or after holding it back.\n"
"\n"
"  -q, --queue N          the queue's number, 0 to 65535 (default 0)\n"
"      --hold-packets N   let packets go when N of them wait, 1 to 1024 (default 1)\n"
"      --hold-ms T        ... or T milliseconds after the first of them came,\n"
"                         whichever is first (default 0: at once)\n"
"  -l, --log FILE         append the log to FILE (default: standard output)\n"
"  -h, --help             show this\n"
"  -V, --version          show the version\n"
"\n"
"The log has one JSON object a line: \"start\" with both clocks, a \"packet\" for\n"
"each packet (times of CLOCK_MONOTONIC in seconds; \"ct_id\" tells its conntrack\n"
"from others, if the kernel says so), \"end\". It is ready when\n"
"/proc/net/netfilter/nfnetlink_queue has a row for the queue with a 2 in the\n"
"fourth column (the copy mode). SIGTERM or SIGINT ends it: what waits is accepted.\n"
"\n"
"Examples:\n"
"  user.out                                      accept at once\n"
"  user.out --hold-packets 2 --hold-ms 100       wait for a second packet\n"
"  user.out -q 3 --log /run/verdict.jsonl\n"
"\n"
"Exit status: 0 ended by a signal, 2 bad usage, 3 the queue cannot be had.\n";

struct options {
	unsigned int queue;
	unsigned int hold_packets;
	unsigned int hold_ms;
	const char *log;
};

/* A DNS query as far as it could be read. */
struct query {
	bool has_addresses;
	bool has_id;
	bool has_type;
	char src[INET_ADDRSTRLEN];
	char dst[INET_ADDRSTRLEN];
	unsigned int sport;
	unsigned int dport;
	unsigned int id;
	unsigned int type;
};

/* A packet's conntrack as the kernel described it when it queued the packet. */
struct conntrack {
	bool is_known;
	uint32_t id;
	bool is_confirmed;
};

struct waiting {
	uint32_t id;
	struct conntrack conntrack;
	struct timespec queued;
	struct query query;
};

struct program {
	struct options options;
	int log;
	bool log_broken;
	bool log_cut;
	int signals;
	unsigned int stopped_by;
	struct nfq_q_handle *queue;
	struct waiting waiting[MAX_WAITING];
	unsigned int count;
	unsigned long packets;
	unsigned long overruns;
};

static struct timespec now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time;
}

static long long nanoseconds(struct timespec time)
{
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* One line, one write: lines of programs that share a file do not mix. */
static void log_line(struct program *program, const char *line, int length)
{
	ssize_t written;

	if (program->log_cut && write(program->log, "\n", 1) == 1)
		program->log_cut = false;
	do {
		written = write(program->log, line, (size_t)length);
	} while (written < 0 && errno == EINTR);

	/* What a full disk cut off stays alone on its line. */
	if (written > 0)
		program->log_cut = written < length;
	/* Verdicts go on: a full disk must not stop anyone's packets. */
	if (written != length && !program->log_broken) {
		program->log_broken = true;
		fprintf(stderr, "user.out: the log cannot be written: %s\n",
			written < 0 ? strerror(errno) : "no space");
	}
}

static void log_start(struct program *program)
{
	struct timespec realtime = now(CLOCK_REALTIME);
	struct timespec monotonic = now(CLOCK_MONOTONIC);
	char line[256];
	int length;

	length = snprintf(line, sizeof(line),
			  "{\"event\":\"start\",\"queue\":%u,\"pid\":%ld,\"hold_packets\":%u,\"hold_ms\":%u,"
			  "\"realtime_s\":%lld.%09ld,\"monotonic_s\":%lld.%09ld}\n",
			  program->options.queue, (long)getpid(),
			  program->options.hold_packets, program->options.hold_ms,
			  (long long)realtime.tv_sec, realtime.tv_nsec,
			  (long long)monotonic.tv_sec, monotonic.tv_nsec);
	log_line(program, line, length);
}

static void log_end(struct program *program)
{
	char line[160];
	int length;

	length = snprintf(line, sizeof(line),
			  "{\"event\":\"end\",\"packets\":%lu,\"overruns\":%lu,\"reason\":\"%s\"}\n",
			  program->packets, program->overruns,
			  program->stopped_by == SIGINT ? "SIGINT" : "SIGTERM");
	log_line(program, line, length);
}

static void log_error(struct program *program, uint32_t id, int error)
{
	char line[160];
	int length;

	length = snprintf(line, sizeof(line),
			  "{\"event\":\"error\",\"id\":%u,\"message\":\"verdict not sent: %s\"}\n",
			  id, strerror(error));
	log_line(program, line, length);
}

static void format_type(char *text, size_t size, const struct query *query)
{
	if (!query->has_type)
		snprintf(text, size, "null");
	else if (query->type == 1)	/* RFC 1035, 3.2.2 */
		snprintf(text, size, "\"A\"");
	else if (query->type == 28)	/* RFC 3596, 2.1 */
		snprintf(text, size, "\"AAAA\"");
	else
		snprintf(text, size, "\"TYPE%u\"", query->type);
}

static void log_packet(struct program *program, const struct waiting *packet,
		       struct timespec released)
{
	const struct query *query = &packet->query;
	char addresses[128] = "\"src\":null,\"sport\":null,\"dst\":null,\"dport\":null";
	const struct conntrack *conntrack = &packet->conntrack;
	char id[16] = "null";
	char ct_id[16] = "null";
	char type[16];
	char line[512];
	int length;

	if (query->has_addresses)
		snprintf(addresses, sizeof(addresses),
			 "\"src\":\"%s\",\"sport\":%u,\"dst\":\"%s\",\"dport\":%u",
			 query->src, query->sport, query->dst, query->dport);
	if (query->has_id)
		snprintf(id, sizeof(id), "%u", query->id);
	if (conntrack->is_known)
		snprintf(ct_id, sizeof(ct_id), "%u", conntrack->id);
	format_type(type, sizeof(type), query);
	length = snprintf(line, sizeof(line),
			  "{\"event\":\"packet\",\"id\":%u,%s,\"dns_id\":%s,\"type\":%s,"
			  "\"ct_id\":%s,\"confirmed\":%s,"
			  "\"queued_s\":%lld.%09ld,\"released_s\":%lld.%09ld,\"verdict\":\"accept\"}\n",
			  packet->id, addresses, id, type, ct_id,
			  !conntrack->is_known ? "null" : conntrack->is_confirmed ? "true" : "false",
			  (long long)packet->queued.tv_sec, packet->queued.tv_nsec,
			  (long long)released.tv_sec, released.tv_nsec);
	log_line(program, line, length);
}

static unsigned int read16(const unsigned char *bytes)
{
	return (unsigned int)bytes[0] << 8 | bytes[1];
}

/* The question's type stands behind its name: labels, each with its length (RFC 1035, 4.1.2). */
static void parse_dns(const unsigned char *dns, size_t length, struct query *query)
{
	size_t at = 12;

	if (length < 2)
		return;
	query->has_id = true;
	query->id = read16(dns);

	while (at < length && dns[at] != 0 && dns[at] < 64)
		at += (size_t)dns[at] + 1;
	if (at + 3 > length || dns[at] != 0)
		return;
	query->has_type = true;
	query->type = read16(dns + at + 1);
}

/* IPv4 and UDP headers (RFC 791, RFC 768); anything else leaves the query empty. */
static void parse_packet(const unsigned char *packet, size_t length, struct query *query)
{
	size_t header;

	memset(query, 0, sizeof(*query));
	if (length < 20 || packet[0] >> 4 != 4 || packet[9] != IPPROTO_UDP)
		return;
	/* A later fragment has no ports. */
	if (read16(packet + 6) & 0x1fff)
		return;
	header = (size_t)(packet[0] & 0xf) * 4;
	if (header < 20 || length < header + 8)
		return;
	inet_ntop(AF_INET, packet + 12, query->src, sizeof(query->src));
	inet_ntop(AF_INET, packet + 16, query->dst, sizeof(query->dst));
	query->sport = read16(packet + header);
	query->dport = read16(packet + header + 2);
	query->has_addresses = true;
	parse_dns(packet + header + 8, length - header - 8, query);
}

/* The attribute of a type among those given, or NULL. Its payload holds "least" bytes or more. */
static const struct nlattr *attribute(const void *attributes, size_t length, unsigned int type, size_t least)
{
	const unsigned char *at = attributes;

	while (length >= NLA_HDRLEN) {
		const struct nlattr *found = (const struct nlattr *)at;
		size_t space = NLA_ALIGN((size_t)found->nla_len);

		if (found->nla_len < NLA_HDRLEN || found->nla_len > length)
			break;
		if ((found->nla_type & NLA_TYPE_MASK) == type)
			return found->nla_len >= NLA_HDRLEN + least ? found : NULL;
		if (space >= length)
			break;
		at += space;
		length -= space;
	}
	return NULL;
}

static const unsigned char *payload_of(const struct nlattr *attribute)
{
	return (const unsigned char *)attribute + NLA_HDRLEN;
}

static uint32_t read32(const unsigned char *bytes)
{
	return (uint32_t)read16(bytes) << 16 | read16(bytes + 2);
}

/*
 * The library has no function for it: the conntrack is an attribute of the
 * message itself, with attributes of its own. Kernels have it since 3.6, and
 * fill it in while nf_conntrack_netlink is loaded.
 */
static void parse_conntrack(const struct nfgenmsg *message, struct conntrack *conntrack)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)((const char *)message - NLMSG_HDRLEN);
	const size_t before = NLMSG_SPACE(sizeof(*message));
	const struct nlattr *nest, *id, *status;
	size_t length;

	memset(conntrack, 0, sizeof(*conntrack));
	if (header->nlmsg_len < before)
		return;
	nest = attribute((const char *)header + before, header->nlmsg_len - before, NFQA_CT, 0);
	if (!nest)
		return;
	length = nest->nla_len - NLA_HDRLEN;
	id = attribute(payload_of(nest), length, CTA_ID, sizeof(uint32_t));
	status = attribute(payload_of(nest), length, CTA_STATUS, sizeof(uint32_t));
	if (!id || !status)
		return;
	conntrack->is_known = true;
	conntrack->id = read32(payload_of(id));
	conntrack->is_confirmed = read32(payload_of(status)) & IPS_CONFIRMED;
}

static void release_all(struct program *program)
{
	unsigned int i;

	for (i = 0; i < program->count; i++) {
		const struct waiting *packet = &program->waiting[i];

		log_packet(program, packet, now(CLOCK_MONOTONIC));
		if (nfq_set_verdict(program->queue, packet->id, NF_ACCEPT, 0, NULL) < 0)
			log_error(program, packet->id, errno);
		program->packets++;
	}
	program->count = 0;
}

/* When the packets that wait must go: never for none. */
static bool due(const struct program *program, long long *left)
{
	long long held;

	*left = -1;
	if (program->count == 0)
		return false;
	if (program->count >= program->options.hold_packets)
		return true;
	held = nanoseconds(now(CLOCK_MONOTONIC)) - nanoseconds(program->waiting[0].queued);
	*left = program->options.hold_ms * 1000000LL - held;
	return *left <= 0;
}

static int on_packet(struct nfq_q_handle *queue, struct nfgenmsg *message,
		     struct nfq_data *data, void *context)
{
	struct program *program = context;
	const struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(data);
	struct waiting *packet;
	unsigned char *payload = NULL;
	int length;

	(void)queue;
	if (!header)
		return 0;
	if (program->count == MAX_WAITING)
		release_all(program);
	packet = &program->waiting[program->count++];
	packet->id = ntohl(header->packet_id);
	packet->queued = now(CLOCK_MONOTONIC);
	length = nfq_get_payload(data, &payload);
	parse_packet(payload, length > 0 ? (size_t)length : 0, &packet->query);
	parse_conntrack(message, &packet->conntrack);
	return 0;
}

/*
 * Takes what the kernel has for us, but no more than a full queue: under a
 * flood it would never come back to see a signal. False when the socket is
 * of no use any more.
 */
static bool receive_all(struct program *program, struct nfq_handle *handle)
{
	char message[MESSAGE_BYTES] __attribute__((aligned(8)));
	unsigned int messages;
	long long left;

	for (messages = 0; messages < QUEUE_PACKETS; messages++) {
		ssize_t length = recv(nfq_fd(handle), message, sizeof(message), MSG_DONTWAIT);

		if (length >= 0) {
			nfq_handle_packet(handle, message, (int)length);
			if (due(program, &left))
				release_all(program);
			continue;
		}
		switch (errno) {
		case EAGAIN:
			return true;
		case EINTR:
			continue;
		case ENOBUFS:
			/* The kernel had more for us than the socket holds, and dropped it. */
			program->overruns++;
			continue;
		default:
			fprintf(stderr, "user.out: the queue cannot be read: %s\n", strerror(errno));
			return false;
		}
	}
	return true;
}

/*
 * Signals come through a descriptor: ppoll() with a mask delivers none as long
 * as packets are there.
 */
static bool listen_for_signals(struct program *program)
{
	sigset_t stopping;

	sigemptyset(&stopping);
	sigaddset(&stopping, SIGTERM);
	sigaddset(&stopping, SIGINT);
	sigprocmask(SIG_BLOCK, &stopping, NULL);
	/* A reader of the log that goes away must not take the verdicts along. */
	signal(SIGPIPE, SIG_IGN);
	program->signals = signalfd(-1, &stopping, SFD_CLOEXEC | SFD_NONBLOCK);
	return program->signals >= 0;
}

static void receive_signal(struct program *program)
{
	struct signalfd_siginfo info;

	if (read(program->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		program->stopped_by = info.ssi_signo;
}

static bool serve(struct program *program, struct nfq_handle *handle)
{
	struct pollfd ready[] = {
		{ .fd = nfq_fd(handle), .events = POLLIN },
		{ .fd = program->signals, .events = POLLIN },
	};
	bool well = true;
	long long left;

	while (well && !program->stopped_by) {
		struct timespec timeout;

		if (due(program, &left))
			release_all(program);
		timeout.tv_sec = left / 1000000000;
		timeout.tv_nsec = left % 1000000000;
		if (ppoll(ready, 2, program->count ? &timeout : NULL, NULL) <= 0)
			continue;
		if (ready[0].revents)
			well = receive_all(program, handle);
		if (ready[1].revents)
			receive_signal(program);
	}
	if (well)
		well = receive_all(program, handle);
	release_all(program);
	return well;
}

static int refuse(const struct options *options, int error)
{
	const char *why = strerror(error);

	if (error == EPERM && geteuid() != 0)
		why = "this needs root (CAP_NET_ADMIN)";
	else if (error == EPERM || error == EBUSY)
		why = "another program listens to it: see /proc/net/netfilter/nfnetlink_queue";
	fprintf(stderr, "user.out: queue %u cannot be had: %s\n", options->queue, why);
	return EXIT_BROKEN;
}

static int run(struct program *program)
{
	struct nfq_handle *handle = nfq_open();
	bool well;

	if (!handle || !listen_for_signals(program))
		return refuse(&program->options, errno);

	program->queue = nfq_create_queue(handle, (uint16_t)program->options.queue, on_packet, program);
	if (!program->queue ||
	    nfq_set_queue_maxlen(program->queue, QUEUE_PACKETS) < 0) {
		int error = errno;

		nfq_close(handle);
		return refuse(&program->options, error);
	}
	/* What a kernel does not know how to tell is simply not in the log. */
	nfq_set_queue_flags(program->queue, NFQA_CFG_F_CONNTRACK, NFQA_CFG_F_CONNTRACK);
	nfnl_rcvbufsiz(nfq_nfnlh(handle), SOCKET_BYTES);
	log_start(program);
	/* Last: from here on the kernel lists the queue as ready. */
	if (nfq_set_mode(program->queue, NFQNL_COPY_PACKET, COPY_BYTES) < 0) {
		int error = errno;

		nfq_close(handle);
		return refuse(&program->options, error);
	}

	well = serve(program, handle);
	nfq_destroy_queue(program->queue);
	nfq_close(handle);
	log_end(program);
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
	enum { HOLD_PACKETS = 256, HOLD_MS };
	static const struct option known[] = {
		{ "queue", required_argument, NULL, 'q' },
		{ "hold-packets", required_argument, NULL, HOLD_PACKETS },
		{ "hold-ms", required_argument, NULL, HOLD_MS },
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
			/* getopt_long has said what is wrong. */
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "user.out: '%s' is not an option: see --help\n", argv[optind]);
		exit(EXIT_USAGE);
	}
}

int main(int argc, char **argv)
{
	static struct program program = {
		.options = { .hold_packets = 1 },
		.log = STDOUT_FILENO,
	};

	parse_options(argc, argv, &program.options);
	if (program.options.log) {
		program.log = open(program.options.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (program.log < 0) {
			fprintf(stderr, "user.out: %s cannot be opened: %s\n", program.options.log, strerror(errno));
			return EXIT_BROKEN;
		}
	}
	return run(&program);
}
