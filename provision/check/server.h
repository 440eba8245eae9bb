/* SPDX-License-Identifier: GPL-2.0 */
/* A DNS server for one name. */
#ifndef CHECK_SERVER_H
#define CHECK_SERVER_H

#define NAME "www.lab.test"

/* Serves in this namespace until the process is killed; writes to "ready" when it listens. */
void server_run(int ready) __attribute__((noreturn));

#endif
