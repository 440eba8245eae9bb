// SPDX-License-Identifier: GPL-2.0
/*
 * It is no child to end with its parent: it has a separate session, holds none
 * of its files, and no signal but SIGKILL ends it before it has cleaned up.
 *
 * A packet and a return value belong together if one task on one processor, in
 * the same context (its own, or an interrupt's), entered confirm last and
 * returned from it next. A task that moved meanwhile is not seen, and any
 * return ends what was entered before it on its processor.
 */
#include "tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

enum {
	PAUSE_MS = 100,
	/* How long a watch that is busy may take to make room in the pipe. */
	ROOM_MS = 20,
	PAGE_BYTES = 65536,
	/* Most pages of one processor before the others have their turn. */
	MOST_PAGES = 1024,
	/* Packets after which the offset of their data is known to be right. */
	TRIED_PACKETS = 16,
	/* TRACE_FLAG_HARDIRQ and TRACE_FLAG_SOFTIRQ, linux/trace_events.h */
	IN_INTERRUPT = 0x08 | 0x10,
	/*
	 * TRACE_FLAG_NMI: no packet is confirmed there. All flags are set where the kernel subtracts a preempt count that
	 * a probe in a task did not add (tracing_gen_ctx_dec(), for uprobes of 6.18).
	 */
	IN_NMI = 0x40,
	CONTEXTS = 2,
	PROTOCOL_UDP = 17,
};

/* Confirm takes microseconds; but the task, or the virtual machine's processor, may be preempted in it. */
#define LONGEST_NS 10000000000ULL

/* A packet in confirm. */
struct entered {
	bool waits;
	int32_t pid;
	uint64_t at;
	uint8_t packet[HEADER_BYTES];
};

struct tracing {
	struct tracefs tracefs;
	const struct wanted *wanted;
	int output;
	int64_t now;
	unsigned int cpu, tried, odd, lost;
	/* Whether the watch has gone, or makes no room for now. */
	bool gone, full;
	struct entered entered[MOST_CPUS][CONTEXTS];
};

/* Returns whether the watch gets it. */
static bool send_record(struct tracing *tracing, const struct trace_record *record)
{
	struct pollfd room = { .fd = tracing->output, .events = POLLOUT };

	/* One write is whole or not at all: a record is shorter than PIPE_BUF. */
	while (write(tracing->output, record, sizeof(*record)) != sizeof(*record)) {
		if (errno != EAGAIN) {
			tracing->gone = true;
			return false;
		}
		if (tracing->full || poll(&room, 1, ROOM_MS) <= 0) {
			tracing->full = true;
			return false;
		}
	}
	return true;
}

static uint16_t port_at(const uint8_t *packet, unsigned int at)
{
	return (uint16_t)(packet[at] << 8 | packet[at + 1]);
}

/* Returns whether a packet is a DNS query by UDP, with it in the record. */
static bool find_query(const uint8_t *packet, const struct wanted *wanted, struct trace_record *record)
{
	const bool is_ipv6 = packet[0] >> 4 == 6;
	const unsigned int addresses = is_ipv6 ? 8 : 12, size = is_ipv6 ? 16 : 4, udp = addresses + 2 * size;

	/* IPv4 without options, and no fragment but the first; IPv6 without extension headers. */
	if (!is_ipv6 && (packet[0] != 0x45 || packet[6] & 0x1f || packet[7]))
		return false;
	if (packet[is_ipv6 ? 6 : 9] != PROTOCOL_UDP || !is_server(wanted, port_at(packet, udp + 2)))
		return false;
	memcpy(record->source, packet + addresses, size);
	memcpy(record->destination, packet + addresses + size, size);
	record->address_bytes = size;
	record->source_port = port_at(packet, udp);
	record->destination_port = port_at(packet, udp + 2);
	record->dns_id = port_at(packet, udp + 8);
	return true;
}

static void enter(struct tracing *tracing, struct entered *entered, const uint8_t *record, uint64_t at, int32_t pid)
{
	unsigned int i, version;

	*entered = (struct entered){ .waits = true, .pid = pid, .at = at };
	for (i = 0; i < HEADER_WORDS; i++)
		memcpy(entered->packet + i * 8, record + tracing->tracefs.words[i].at, 8);
	if (tracing->tried == TRIED_PACKETS)
		return;
	version = entered->packet[0] >> 4;
	tracing->odd += version != 4 && version != 6;
	if (++tracing->tried == TRIED_PACKETS && tracing->odd <= TRIED_PACKETS / 2)
		tracefs_filter(&tracing->tracefs, tracing->wanted);
}

static void leave(struct tracing *tracing, struct entered *entered, uint32_t returned, uint64_t at, int32_t pid)
{
	struct trace_record record = { .kind = TRACE_CONFIRM, .returned = returned, .at = tracing->now };

	if (entered->waits && entered->pid == pid && at - entered->at < LONGEST_NS &&
	    find_query(entered->packet, tracing->wanted, &record) && !send_record(tracing, &record))
		tracing->lost++;
	entered->waits = false;
}

static void take(void *context, const uint8_t *record, size_t length, uint64_t at)
{
	struct tracing *tracing = context;
	const struct tracefs *tracefs = &tracing->tracefs;
	const struct trace_field last = tracefs->words[HEADER_WORDS - 1];
	struct entered *entered;
	uint32_t returned;
	uint16_t type;
	uint8_t flags;
	int32_t pid;

	if (length < tracefs->type.at + 2 || length < tracefs->pid.at + 4 || length <= tracefs->flags.at)
		return;
	memcpy(&type, record + tracefs->type.at, sizeof(type));
	memcpy(&pid, record + tracefs->pid.at, sizeof(pid));
	flags = record[tracefs->flags.at];
	entered = &tracing->entered[tracing->cpu][flags & IN_INTERRUPT && !(flags & IN_NMI)];
	if (type == tracefs->confirming && length >= last.at + last.size) {
		enter(tracing, entered, record, at, pid);
	} else if (type == tracefs->confirm && length >= tracefs->returned.at + 4) {
		memcpy(&returned, record + tracefs->returned.at, sizeof(returned));
		leave(tracing, entered, returned, at, pid);
	}
}

static void read_buffers(struct tracing *tracing)
{
	static uint8_t page[PAGE_BYTES] __attribute__((aligned(8)));
	unsigned int pages;
	ssize_t got;

	tracing->now = clocks_now().monotonic;
	tracing->full = false;
	for (tracing->cpu = 0; tracing->cpu < tracing->tracefs.cpus; tracing->cpu++) {
		const int buffer = tracing->tracefs.buffers[tracing->cpu];

		for (pages = 0; buffer >= 0 && pages < MOST_PAGES; pages++) {
			unsigned int lost;

			got = read(buffer, page, sizeof(page));
			if (got <= 0)
				break;
			lost = ring_count_lost(page, (size_t)got);
			tracing->lost += lost;
			/* What returns now may have been entered after that. */
			if (lost)
				memset(tracing->entered[tracing->cpu], 0, sizeof(tracing->entered[0]));
			ring_read_page(page, (size_t)got, take, tracing);
		}
	}
}

static void report_lost(struct tracing *tracing)
{
	const struct trace_record record = { .kind = TRACE_LOST, .lost = tracing->lost };

	if (tracing->lost && send_record(tracing, &record))
		tracing->lost = 0;
}

static void refuse(struct tracing *tracing, const char *why)
{
	struct trace_record record = { .kind = TRACE_REFUSED };

	strncpy(record.why, why, sizeof(record.why) - 1);
	send_record(tracing, &record);
}

/* No file of the watch stays open here but "output": a connection ends when all have closed it. */
static void leave_files(int output)
{
	const int nothing = open("/dev/null", O_RDWR);
	long fd, most = sysconf(_SC_OPEN_MAX);

	for (fd = 0; fd < 3; fd++)
		dup2(nothing, (int)fd);
	for (; fd < most && fd < 65536; fd++)
		if (fd != output)
			close((int)fd);
}

static void leave_session(int output, sigset_t *signals)
{
	sigfillset(signals);
	sigprocmask(SIG_SETMASK, signals, NULL);
	setsid();
	leave_files(output);
	chdir("/");
}

static void follow(struct tracing *tracing, pid_t watcher, const sigset_t *signals)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

	/* SIGPIPE and SIGCHLD come with what is seen anyway; any other signal asks for the end. */
	while (!tracing->gone && getppid() == watcher && sigtimedwait(signals, NULL, &pause) < 0) {
		read_buffers(tracing);
		if (tracing->tried == TRIED_PACKETS && tracing->odd > TRIED_PACKETS / 2) {
			refuse(tracing, "the offset of a packet's data is not this kernel's");
			return;
		}
		report_lost(tracing);
	}
}

void tracer_run(int output, pid_t watcher, const char *name, const struct wanted *wanted)
{
	static struct tracing tracing;
	char why[TRACE_WHY_BYTES] = "";
	sigset_t signals;

	leave_session(output, &signals);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	tracing.wanted = wanted;
	tracing.output = output;
	strncpy(tracing.tracefs.name, name, sizeof(tracing.tracefs.name) - 1);
	if (!tracefs_mount(why)) {
		refuse(&tracing, why);
		_exit(EXIT_BROKEN);
	}
	if (tracefs_begin(&tracing.tracefs, wanted, why)) {
		send_record(&tracing, &(struct trace_record){ .kind = TRACE_BEGUN });
		follow(&tracing, watcher, &signals);
	} else {
		refuse(&tracing, why);
	}
	tracefs_close(&tracing.tracefs);
	tracefs_remove(name);
	_exit(EXIT_SUCCESS);
}

void tracer_clean(const char *name)
{
	char why[TRACE_WHY_BYTES];
	sigset_t signals;

	leave_session(-1, &signals);
	if (tracefs_mount(why))
		tracefs_remove(name);
	_exit(EXIT_SUCCESS);
}
