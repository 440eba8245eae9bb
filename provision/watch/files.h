/* SPDX-License-Identifier: GPL-2.0 */
/* Reads small files of /proc. */
#ifndef WATCH_FILES_H
#define WATCH_FILES_H

#include <stddef.h>
#include <sys/types.h>

/* Bytes kept of a file that is printed. */
enum { FILE_BYTES = 4096 };

/* Reads an open file as a text, and closes it; returns its length, or negative on error. */
ssize_t file_read_all(int fd, char *text, size_t size);

/* As file_read_all(), of the file /proc/PID/NAME. */
ssize_t process_file_read(pid_t pid, const char *name, char *text, size_t size);

/* Returns the inode of a process's network namespace; 0 on error. */
unsigned long process_network(pid_t pid);

/* Reads resolv.conf as a process sees it. */
ssize_t resolver_file_read(pid_t pid, char *text, size_t size);

#endif
