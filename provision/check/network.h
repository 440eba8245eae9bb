/* SPDX-License-Identifier: GPL-2.0 */
/* The wire between a trial's two namespaces. */
#ifndef CHECK_NETWORK_H
#define CHECK_NETWORK_H

#include <sys/types.h>

/* Makes a pair of links: one end here, the other in the namespace of that process. Ends the program if it cannot. */
void network_connect(pid_t other);

/* Waits until packets pass: until both ends are switched on, and the kernel has noticed. */
void network_await(const char *link);

/* Gives one end, which is in this namespace, its address, and switches it on. No IPv6: nothing is sent unasked. */
void network_begin(const char *link, const char *address);

#endif
