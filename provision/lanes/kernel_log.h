/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_KERNEL_LOG_H
#define LAB_KERNEL_LOG_H

#include <stddef.h>

/* Opens the kernel's log behind its last record. Ends the program if it cannot be. */
int kernel_log_open(void);

/* Reads a record as a line of dmesg, its newline included. Gives false when there is none yet. */
int kernel_log_read(int fd, char *line, size_t size);

#endif
