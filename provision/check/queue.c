// SPDX-License-Identifier: GPL-2.0
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>

#include "check.h"
#include "netlink.h"

enum {
	/* Both queries of a lookup. */
	HOLD_PACKETS = 2,
	/* Time for the second query to arrive on a busy machine; a retransmitted query waits alone for as long. */
	HOLD_MS = 200,
	/* Enough for a DNS question. */
	COPY_BYTES = 512,
	MESSAGE_BYTES = 4096,
};

static void begin(struct message *message, unsigned int type, unsigned int flags)
{
	const struct nfgenmsg header = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(QUEUE) };

	message_begin(message, NFNL_SUBSYS_QUEUE << 8 | type, flags, &header, sizeof(header));
}

static void bind_to_queue(const struct queue *queue)
{
	const struct nfqnl_msg_config_cmd bind = { .command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_INET) };
	const struct nfqnl_msg_config_params copy = {
		.copy_range = htonl(COPY_BYTES),
		.copy_mode = NFQNL_COPY_PACKET,
	};
	struct message message = { .length = 0 };

	begin(&message, NFQNL_MSG_CONFIG, NLM_F_ACK);
	message_put(&message, NFQA_CFG_CMD, &bind, sizeof(bind));
	errno = netlink_request(queue->socket, &message);
	if (errno)
		give_up("bind to", "an NFQUEUE");
	begin(&message, NFQNL_MSG_CONFIG, NLM_F_ACK);
	message_put(&message, NFQA_CFG_PARAMS, &copy, sizeof(copy));
	errno = netlink_request(queue->socket, &message);
	if (errno)
		give_up("set the copy mode of", "an NFQUEUE");
	/* Some kernels do not send a packet's conntrack; then the namespace's number of conntracks is used. */
	begin(&message, NFQNL_MSG_CONFIG, NLM_F_ACK);
	message_put_be32(&message, NFQA_CFG_FLAGS, NFQA_CFG_F_CONNTRACK);
	message_put_be32(&message, NFQA_CFG_MASK, NFQA_CFG_F_CONNTRACK);
	netlink_request(queue->socket, &message);
}

static int new_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		give_up("write", path);
	return fd;
}

void queue_open(struct queue *queue, const char *log, const char *again)
{
	queue->socket = netlink_open(NETLINK_NETFILTER);
	if (queue->socket < 0)
		give_up("open", "a socket to netfilter");
	bind_to_queue(queue);
	fcntl(queue->socket, F_SETFL, O_NONBLOCK);
	queue->log.file = new_file(log);
	if (queue->looks_again)
		queue->again.file = new_file(again);
}

/* Number of the namespace's conntracks, also unconfirmed ones (nf_conntrack_core.c, __nf_conntrack_alloc), or 0. */
static unsigned int conntracks(void)
{
	FILE *file = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "re");
	unsigned int count = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%u", &count) != 1)
		count = 0;
	fclose(file);
	return count;
}

static void send_verdict(struct queue *queue, const struct packet *packet, unsigned int verdict)
{
	const struct nfqnl_msg_verdict_hdr given = { .verdict = htonl(verdict), .id = htonl(packet->id) };
	struct message message = { .length = 0 };
	int error;

	begin(&message, NFQNL_MSG_VERDICT, 0);
	message_put(&message, NFQA_VERDICT_HDR, &given, sizeof(given));
	error = netlink_send(queue->socket, &message);
	if (error) {
		log_error(&queue->log, packet, error);
		write_log(&queue->log);
	}
}

static void release(struct queue *queue)
{
	unsigned int i;

	for (i = 0; i < queue->count; i++) {
		const struct packet *packet = &queue->waiting[i];
		/*
		 * The first is confirmed when this returns. The others pass the
		 * hook again (NF_REPEAT) and are queued a second time, with the
		 * conntrack that they have then.
		 */
		const bool again = queue->looks_again && i > 0 && queue->expects < MOST_WAITING;

		if (again)
			queue->expected[queue->expects++] = packet->query.id;
		log_packet(&queue->log, packet, now(CLOCK_MONOTONIC), again ? "repeat" : "accept");
		write_log(&queue->log);
		send_verdict(queue, packet, again ? NF_REPEAT : NF_ACCEPT);
	}
	queue->count = 0;
}

/* Whether this is a repeated packet; each is expected once. */
static bool is_repeated(struct queue *queue, const struct packet *packet)
{
	unsigned int i;

	for (i = 0; i < queue->expects; i++) {
		if (queue->expected[i] != packet->query.id)
			continue;
		queue->expected[i] = queue->expected[--queue->expects];
		return true;
	}
	return false;
}

static void take(struct queue *queue, const char *message, size_t length)
{
	struct packet packet;

	if (!read_packet(message, length, &packet))
		return;
	packet.queued = now(CLOCK_MONOTONIC);
	packet.conntracks = conntracks();
	if (is_repeated(queue, &packet)) {
		log_packet(&queue->again, &packet, now(CLOCK_MONOTONIC), "accept");
		write_log(&queue->again);
		send_verdict(queue, &packet, NF_ACCEPT);
		return;
	}
	if (queue->count == MOST_WAITING)
		release(queue);
	queue->waiting[queue->count++] = packet;
}

void queue_serve(struct queue *queue)
{
	char message[MESSAGE_BYTES] __attribute__((aligned(8)));
	ssize_t got;

	while ((got = recv(queue->socket, message, sizeof(message), 0)) > 0 || (got < 0 && errno == EINTR)) {
		if (got > 0)
			take(queue, message, (size_t)got);
		if (queue->count >= HOLD_PACKETS)
			release(queue);
	}
	/* A repeated packet is queued before the call that sent its verdict returns; on a few kernels it never is. */
	queue->expects = 0;
	if (queue_time_left_ms(queue) == 0)
		release(queue);
}

int queue_time_left_ms(const struct queue *queue)
{
	const struct timespec at = now(CLOCK_MONOTONIC);
	const struct timespec *since = &queue->waiting[0].queued;
	long long held_ms = (at.tv_sec - since->tv_sec) * 1000LL + (at.tv_nsec - since->tv_nsec) / 1000000;

	if (queue->count == 0)
		return -1;
	return held_ms < HOLD_MS ? (int)(HOLD_MS - held_ms) : 0;
}
