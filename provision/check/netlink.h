/* SPDX-License-Identifier: GPL-2.0 */
/* Netlink messages (netlink(7)): built up attribute by attribute, sent, and answered by an error number. */
#ifndef CHECK_NETLINK_H
#define CHECK_NETLINK_H

#include <stddef.h>
#include <stdint.h>

struct message {
	/* What is sent: one message after another, each with a header of its own. */
	char bytes[2048] __attribute__((aligned(8)));
	size_t length;
	/* Where the last of them begins. */
	size_t begin;
	/* How many of them the kernel is to answer. */
	unsigned int answers;
};

/* A socket; below 0 when there is none. */
int netlink_open(int protocol);

/* Begins a message, behind those that are there. NLM_F_REQUEST is added. */
void message_begin(struct message *message, unsigned int type, unsigned int flags, const void *header, size_t length);

void message_put(struct message *message, unsigned int type, const void *data, size_t length);
/* Without an attribute around it. */
void message_put_raw(struct message *message, const void *data, size_t length);
void message_put_text(struct message *message, unsigned int type, const char *text);
/* In network byte order, as netfilter has them. */
void message_put_be16(struct message *message, unsigned int type, uint16_t value);
void message_put_be32(struct message *message, unsigned int type, uint32_t value);

/* What is put from here to message_end() is inside of this attribute. */
size_t message_nest(struct message *message, unsigned int type);
void message_end(struct message *message, size_t nest);

/* Sends what was built, and waits for the answers: 0, or the first error's number. */
int netlink_ask(int socket, struct message *message);

/* Sends what was built and waits for nothing: 0, or an error's number. */
int netlink_tell(int socket, struct message *message);

#endif
