/* SPDX-License-Identifier: GPL-2.0 */
/* The link between a trial's two namespaces. */
#ifndef CHECK_NETWORK_H
#define CHECK_NETWORK_H

#include <sys/types.h>

/* Creates a veth pair: one end here, the other in the namespace of that process. Ends the program on error. */
void network_connect(pid_t other);

/* Waits until packets pass: until both ends are up and the kernel has processed that. */
void network_await(const char *link);

/* Adds an address to the end in this namespace and brings it up. Disables IPv6, which would send packets by itself. */
void network_begin(const char *link, const char *address);

/* Adds another address. */
void network_add_address(const char *link, const char *address);

#endif
