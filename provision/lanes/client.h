/* SPDX-License-Identifier: GPL-2.0 */
/* The client of a trial, in its lane and in the directory of its raw files. */
#ifndef LAB_CLIENT_H
#define LAB_CLIENT_H

/* Runs the client in this process; never returns. */
void client_exec(char **command) __attribute__((noreturn));

/*
 * Runs the client, ends it after so many seconds, and returns its exit status, as in a shell; EXIT_TIMEOUT if it was
 * ended. If "timed" is not NULL, the client's output is ignored, and its duration printed under this name.
 */
int client_watch(char **command, unsigned int bound_s, const char *timed);

/* As of timeout(1). */
enum { EXIT_TIMEOUT = 124 };

#endif
