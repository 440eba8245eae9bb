/* SPDX-License-Identifier: GPL-2.0 */
/* Netlink messages (netlink(7)): built attribute by attribute, sent, and acknowledged with an error number. */
#ifndef CHECK_NETLINK_H
#define CHECK_NETLINK_H

#include <stddef.h>
#include <stdint.h>

struct message {
	/* Consecutive messages, each with its header. */
	char bytes[2048] __attribute__((aligned(8)));
	size_t length;
	/* Offset of the last message. */
	size_t begin;
	/* Number of messages that the kernel acknowledges. */
	unsigned int answers;
};

/* Opens a socket; negative on error. */
int netlink_open(int protocol);

/* Begins a message after the existing ones. NLM_F_REQUEST is added. */
void message_begin(struct message *message, unsigned int type, unsigned int flags, const void *header, size_t length);

void message_put(struct message *message, unsigned int type, const void *data, size_t length);
/* Adds data without an attribute header. */
void message_put_raw(struct message *message, const void *data, size_t length);
void message_put_text(struct message *message, unsigned int type, const char *text);
/* In network byte order, as netfilter expects. */
void message_put_be16(struct message *message, unsigned int type, uint16_t value);
void message_put_be32(struct message *message, unsigned int type, uint32_t value);

/* Begins a nested attribute, which message_end() ends. */
size_t message_nest(struct message *message, unsigned int type);
void message_end(struct message *message, size_t nest);

/* Sends the messages and waits for the acknowledgements; returns 0 or the first errno. */
int netlink_request(int socket, struct message *message);

/* Sends the messages without waiting; returns 0 or an errno. */
int netlink_send(int socket, struct message *message);

#endif
