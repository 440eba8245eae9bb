/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_KERNEL_LOG_H
#define LAB_KERNEL_LOG_H

#include <stddef.h>

/* Opens the kernel's log after its last record. Ends the program on error. */
int kernel_log_open(void);

/* Reads a record as a line of dmesg with its newline. Returns false if there is none yet. */
int kernel_log_read(int fd, char *line, size_t size);

#endif
