/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's filter of a packet socket: DNS, and ICMP errors about it. */
#ifndef WATCH_FILTER_H
#define WATCH_FILTER_H

#include "watch.h"

/* The most bytes of a packet: IPv6 or IPv4 and TCP headers with options, and a question; ICMP quotes no more of it. */
enum { SNAP_BYTES = 480 };

/* Attaches the filter; returns 0, or negative on error. */
int filter_attach(int socket, const struct wanted *wanted);

#endif
