// SPDX-License-Identifier: GPL-2.0
/* Reads the kernel's log (Documentation/ABI/testing/dev-kmsg; since 3.5). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel_log.h"
#include "lane.h"

int kernel_log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		give_up("open", "/dev/kmsg");
	return fd;
}

int kernel_log_read(int fd, char *line, size_t size)
{
	char record[8192];
	unsigned long long time_us;
	const char *text;
	ssize_t length;

	/* Skip records that were overwritten before they were read. */
	do {
		length = read(fd, record, sizeof(record) - 1);
	} while (length < 0 && (errno == EPIPE || errno == EINTR));
	if (length < 0)
		return false;
	record[length] = '\0';
	/* PRIORITY,NUMBER,MICROSECONDS,FLAGS[,...];TEXT\n and then lines that begin with a space. */
	text = strchr(record, ';');
	if (!text || sscanf(record, "%*u,%*u,%llu", &time_us) != 1)
		return kernel_log_read(fd, line, size);
	text++;
	snprintf(line, size, "[%5llu.%06llu] %.*s\n", time_us / 1000000, time_us % 1000000,
		 (int)strcspn(text, "\n"), text);
	return true;
}
