/* SPDX-License-Identifier: GPL-2.0 */
/* A DNS server that knows one name. */
#ifndef CHECK_SERVER_H
#define CHECK_SERVER_H

#define NAME "www.lab.test"

/* Answers in this namespace until the program is killed; "ready" is written to when it does. */
void server_run(int ready) __attribute__((noreturn));

#endif
