/* SPDX-License-Identifier: GPL-2.0 */
/* Queries to the first server of /etc/resolv.conf over UDP, and the wait for their answers. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stdint.h>
#include <sys/socket.h>

#include "message.h"

enum {
	/* A and AAAA. */
	BOTH = 2,
};

struct server {
	struct sockaddr_storage address;
	socklen_t length;
};

enum state {
	MISSING,	/* there is no answer yet, and none is waited for */
	WAITING,
	ANSWERED,
};

/* A query on its way; two may share a socket. */
struct exchange {
	struct query query;
	int socket;
	enum state state;
};

/* The first server that resolv.conf names; where it names none, the one on this machine, as resolv.conf(5) has it. */
struct server server_read(void);

/* A connected socket with a port of its own; below 0 when there is none, and the lookup knows why. */
int server_connect(const struct server *server, struct lookup *lookup);

/* The two queries for a name, A first; they have no sockets yet. */
void exchanges_prepare(struct exchange exchanges[BOTH], const char *name);

/* Sends the query on its socket. */
void exchange_send(struct exchange *exchange, struct lookup *lookup);

/* Waits until none of them is waited for any more; what has no answer in time is missing. */
void exchanges_wait(struct exchange *exchanges, unsigned int count, double timeout_s, struct lookup *lookup);

#endif
