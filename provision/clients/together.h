/* SPDX-License-Identifier: GPL-2.0 */
/* Lookups whose two queries are sent at the same time, on two processors if available. */
#ifndef TOGETHER_H
#define TOGETHER_H

#include <stdbool.h>

#include "exchange.h"

/* Sets the socket of both queries; returns whether both have one. Errors are stored in the lookup. */
typedef bool connect_function(struct exchange exchanges[BOTH], const struct server *server, struct lookup *lookup);

/*
 * What the client does: parses the command line, looks the name up as often as it asks for, each time with new sockets,
 * until a lookup stalls, prints the result, and returns the exit status.
 */
int look_up_together(const struct client *client, connect_function *connect_sockets, int argc, char **argv);

#endif
