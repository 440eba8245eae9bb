// SPDX-License-Identifier: GPL-2.0
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "check.h"

int netlink_open(int protocol)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	/* Timeout for a missing answer. */
	const struct timeval bound = { .tv_sec = 5 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
	if (bind(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void *extend(struct message *message, size_t length)
{
	void *at = message->bytes + message->length;
	size_t space = NLMSG_ALIGN(length);

	/* All content is this program's own, so an overflow is a bug. */
	if (message->length + space > sizeof(message->bytes))
		give_up("build", "a netlink message");
	memset(at, 0, space);
	message->length += space;
	((struct nlmsghdr *)(void *)(message->bytes + message->begin))->nlmsg_len =
		(uint32_t)(message->length - message->begin);
	return at;
}

void message_begin(struct message *message, unsigned int type, unsigned int flags, const void *header, size_t length)
{
	struct nlmsghdr *begun;

	message->begin = message->length;
	begun = extend(message, sizeof(*begun));
	begun->nlmsg_type = (uint16_t)type;
	begun->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
	begun->nlmsg_seq = message->answers;
	message->answers += (flags & NLM_F_ACK) != 0;
	memcpy(extend(message, length), header, length);
}

void message_put(struct message *message, unsigned int type, const void *data, size_t length)
{
	struct nlattr *attribute = extend(message, NLA_HDRLEN + length);

	attribute->nla_type = (uint16_t)type;
	attribute->nla_len = (uint16_t)(NLA_HDRLEN + length);
	memcpy((char *)attribute + NLA_HDRLEN, data, length);
}

void message_put_raw(struct message *message, const void *data, size_t length)
{
	memcpy(extend(message, length), data, length);
}

void message_put_text(struct message *message, unsigned int type, const char *text)
{
	message_put(message, type, text, strlen(text) + 1);
}

void message_put_be16(struct message *message, unsigned int type, uint16_t value)
{
	const uint16_t swapped = htons(value);

	message_put(message, type, &swapped, sizeof(swapped));
}

void message_put_be32(struct message *message, unsigned int type, uint32_t value)
{
	const uint32_t swapped = htonl(value);

	message_put(message, type, &swapped, sizeof(swapped));
}

size_t message_nest(struct message *message, unsigned int type)
{
	size_t nest = message->length;

	message_put(message, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void message_end(struct message *message, size_t nest)
{
	struct nlattr *attribute = (void *)(message->bytes + nest);

	attribute->nla_len = (uint16_t)(message->length - nest);
}

int netlink_send(int socket, struct message *message)
{
	const ssize_t sent = send(socket, message->bytes, message->length, 0);

	message->length = 0;
	return sent < 0 ? errno : 0;
}

int netlink_request(int socket, struct message *message)
{
	unsigned int left = message->answers;
	char answer[8192] __attribute__((aligned(8)));
	int error = netlink_send(socket, message);

	message->answers = 0;
	while (!error && left) {
		ssize_t got = recv(socket, answer, sizeof(answer), 0);
		int length = (int)got;
		const struct nlmsghdr *header;

		if (got < 0 && errno != EINTR)
			return errno;
		for (header = (const struct nlmsghdr *)(const void *)answer; got > 0 && NLMSG_OK(header, length) && !error;
		     header = NLMSG_NEXT(header, length)) {
			if (header->nlmsg_type != NLMSG_ERROR)
				continue;
			error = -((const struct nlmsgerr *)NLMSG_DATA(header))->error;
			left -= left > 0;
		}
	}
	return error;
}
