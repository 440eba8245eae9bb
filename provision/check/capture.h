/* SPDX-License-Identifier: GPL-2.0 */
/* What passes by a link, as tcpdump would write it. */
#ifndef CHECK_CAPTURE_H
#define CHECK_CAPTURE_H

struct capture {
	/* Below 0 when the kernel has no packet sockets: then nothing is captured. */
	int socket;
	int file;
};

struct capture capture_begin(const char *link, const char *path);

/* Writes down what has passed by until now. */
void capture_write(const struct capture *capture);

#endif
