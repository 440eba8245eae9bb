/* SPDX-License-Identifier: GPL-2.0 */
/* Captures the packets of a link in tcpdump's file format. */
#ifndef CHECK_CAPTURE_H
#define CHECK_CAPTURE_H

struct capture {
	/* Negative if the kernel has no packet sockets: then there is no capture. */
	int socket;
	int file;
};

struct capture capture_begin(const char *link, const char *path);

/* Writes the packets received so far. */
void capture_write(const struct capture *capture);

#endif
