/* SPDX-License-Identifier: GPL-2.0 */
/* Functions of a program that a caller has sent to this machine, as by receive.sh. */
#ifndef CHECK_CALLER_H
#define CHECK_CALLER_H

#include <stdbool.h>

/* Removes the program's file and its directory. */
void caller_remove_program(const char *path);

/* Reads from standard input, which is readable; returns whether it has ended, that is, the caller has gone. */
bool caller_has_gone(void);

#endif
