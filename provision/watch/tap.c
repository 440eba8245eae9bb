// SPDX-License-Identifier: GPL-2.0
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "filter.h"
#include "output.h"
#include "spaces.h"
#include "trim.h"

enum {
	AT_ONCE = 64,
	/* A limit: memory is taken only by packets that wait. A packet of DNS counts about 1000 bytes. */
	BUFFER_BYTES = 2 << 20,
	/* Most packets of one namespace before the others have their turn. */
	MOST_PACKETS = 65536,
};

/* Tolerance for a packet's time being outside of the time since the last look. */
#define SLACK_NS 20000000LL

static struct clocks last, current;
static const struct wanted *options;

int tap_open(const struct wanted *wanted)
{
	struct sockaddr_ll where = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	const int yes = 1, bytes = BUFFER_BYTES;
	const int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	/* No packet is received before the filter is attached: the socket has no protocol until bind(). */
	if (filter_attach(fd, wanted) < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (const struct sockaddr *)&where, sizeof(where)) < 0) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

void tap_set_clocks(struct clocks now, const struct wanted *wanted)
{
	last = current.monotonic ? current : now;
	current = now;
	options = wanted;
}

/* The realtime clock may have been set since the last look: then one of the two relations puts the packet in between. */
static int64_t monotonic_of(int64_t realtime)
{
	const int64_t by_now = realtime - (current.realtime - current.monotonic);
	const int64_t by_last = realtime - (last.realtime - last.monotonic);

	if (by_now >= last.monotonic - SLACK_NS && by_now <= current.monotonic + SLACK_NS)
		return by_now;
	if (by_last >= last.monotonic - SLACK_NS && by_last <= current.monotonic + SLACK_NS)
		return by_last;
	return current.monotonic;
}

static int64_t time_of(struct msghdr *message)
{
	struct cmsghdr *control;
	struct timespec time;

	for (control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
		if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&time, CMSG_DATA(control), sizeof(time));
			return monotonic_of((int64_t)time.tv_sec * SECOND_NS + time.tv_nsec);
		}
	}
	return current.monotonic;
}

static void print(struct space *space, struct msghdr *message, uint8_t *packet, size_t length)
{
	const struct sockaddr_ll *from = message->msg_name;
	const struct trimmed trimmed = trim(packet, length, options->hides_names);
	const int64_t at = time_of(message);

	if (!trimmed.length)
		return;
	space->asked_at = current.monotonic;
	if (from->sll_pkttype == PACKET_OUTGOING && trimmed.has_question && is_server(options, trimmed.destination))
		sockets_note_query(&space->sockets, trimmed.source, at);
	output_put("p");
	output_put_number(space->number);
	output_put_number(at);
	output_put_number(from->sll_ifindex);
	output_put_number(from->sll_pkttype);
	output_put_bytes(packet, trimmed.length);
	output_end_line();
}

unsigned int tap_receive(struct space *space)
{
	static uint8_t packets[AT_ONCE][SNAP_BYTES];
	static char controls[AT_ONCE][64] __attribute__((aligned(8)));
	static struct sockaddr_ll froms[AT_ONCE];
	static struct mmsghdr messages[AT_ONCE];
	static struct iovec parts[AT_ONCE];
	unsigned int total = 0;
	int got, i;

	do {
		for (i = 0; i < AT_ONCE; i++) {
			parts[i] = (struct iovec){ .iov_base = packets[i], .iov_len = SNAP_BYTES };
			messages[i].msg_hdr = (struct msghdr){
				.msg_name = &froms[i],
				.msg_namelen = sizeof(froms[i]),
				.msg_iov = &parts[i],
				.msg_iovlen = 1,
				.msg_control = controls[i],
				.msg_controllen = sizeof(controls[i]),
			};
		}
		got = recvmmsg(space->tap, messages, AT_ONCE, MSG_DONTWAIT, NULL);
		for (i = 0; i < got; i++)
			print(space, &messages[i].msg_hdr, packets[i], messages[i].msg_len);
		total += got > 0 ? (unsigned int)got : 0;
	} while (got == AT_ONCE && total < MOST_PACKETS);
	return total;
}

void tap_report_lost(const struct space *space)
{
	struct tpacket_stats statistics;
	socklen_t length = sizeof(statistics);

	/* Reading them resets them. */
	if (getsockopt(space->tap, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0 || !statistics.tp_drops)
		return;
	output_put("lost %u %u", space->number, statistics.tp_drops);
	output_end_line();
}
