/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the check have in common: its test network, and how it gives up. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

/* Exit statuses, EXIT_USAGE and EXIT_BROKEN, and give_up(), which ends the program. */
#include "../lanes/lane.h"

/* The addresses of the lab's other networks. Nobody outside of the trial's namespaces sees them. */
#define CLIENT_ADDRESS "10.10.10.89"
#define SERVER_ADDRESS "10.10.10.53"
#define NETWORK_BITS 24

#define CLIENT_LINK "client"
#define SERVER_LINK "server"

/* The one number there is in each trial's namespace. */
enum { QUEUE = 0 };

/* Where a trial's raw files are until they are sent: a file system in memory that only its processes see. */
#define FILES "/etc"

#endif
