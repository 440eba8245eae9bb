// SPDX-License-Identifier: GPL-2.0
/* The log: lines of JSON, buffered and written together. */
#ifndef LOG_H
#define LOG_H

#include "packet.h"

enum {
	/* Maximum length of a line, and size of the buffer. */
	LINE_BYTES = 512,
	LOG_BYTES = 64 * LINE_BYTES,
};

struct log {
	int file;
	bool is_broken;
	bool is_cut;
	size_t length;
	char text[LOG_BYTES];
};

/* These only add to the buffer, unless it is full. */
void log_start(struct log *log, unsigned int queue, unsigned int hold_packets, unsigned int hold_ms);
void log_packet(struct log *log, const struct packet *packet, struct timespec released, const char *verdict);
void log_error(struct log *log, const struct packet *packet, int error);
void log_end(struct log *log, unsigned long packets, unsigned long overruns, const char *reason);
void log_died(struct log *log, unsigned long packets, unsigned int waiting);

/* Writes the buffer. */
void write_log(struct log *log);

struct timespec now(clockid_t clock);

#endif
