/* SPDX-License-Identifier: GPL-2.0 */
/* Definitions shared by the parts of the check: its test network and exit statuses. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

/* Exit statuses, EXIT_USAGE and EXIT_BROKEN, and give_up(), which ends the program. */
#include "../lanes/lane.h"

/* The same addresses as in the lab's other networks; not visible outside of the trial's namespaces. */
#define CLIENT_ADDRESS "10.10.10.89"
#define SERVER_ADDRESS "10.10.10.53"
/* The server's second address, and an address without host that is mapped to one of the two. */
#define SECOND_ADDRESS "10.10.10.54"
#define MAPPED_ADDRESS "10.10.10.60"
#define NETWORK_BITS 24

#define CLIENT_LINK "client"
#define SERVER_LINK "server"

/* The only queue in each trial's namespace. */
enum { QUEUE = 0 };

/* Directory of a trial's raw files until they are sent: a tmpfs that only its processes see. */
#define FILES "/etc"

#endif
