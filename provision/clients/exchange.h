/* SPDX-License-Identifier: GPL-2.0 */
/* Queries to the first server of /etc/resolv.conf over UDP, and waiting for their answers. */
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
	MISSING,	/* no answer, and not waiting for one */
	WAITING,
	ANSWERED,
};

/* A query in flight; two may share a socket. */
struct exchange {
	struct query query;
	int socket;
	enum state state;
};

/* Returns the first server of resolv.conf, or else the local one, see resolv.conf(5). */
struct server server_read(void);

/* Returns a new connected socket; negative on error, which is stored in the lookup. */
int server_connect(const struct server *server, struct lookup *lookup);

/* Prepares the two queries for a name, A first, without sockets. */
void exchanges_prepare(struct exchange exchanges[BOTH], const char *name);

/* Sends the query on its socket. */
void exchange_send(struct exchange *exchange, struct lookup *lookup);

/* Waits for the answers until the timeout; unanswered queries become MISSING. */
void exchanges_wait(struct exchange *exchanges, unsigned int count, double timeout_s, struct lookup *lookup);

#endif
