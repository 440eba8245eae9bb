/* SPDX-License-Identifier: GPL-2.0 */
/* What is kept of a packet: its headers, and the header and the question of a DNS message. */
#ifndef WATCH_TRIM_H
#define WATCH_TRIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trimmed {
	/* Bytes to keep; 0 for none. */
	size_t length;
	/* Ports of UDP or TCP; 0 for another protocol. */
	uint16_t source, destination;
	/* Whether it has a DNS message with a question. */
	bool has_question;
};

/* The packet begins with its IP header. With hides_names its names are replaced. */
struct trimmed trim(uint8_t *packet, size_t length, bool hides_names);

#endif
