/* SPDX-License-Identifier: GPL-2.0 */
/* A lane: a client's network namespace, and its files under /run/lab. */
#ifndef LAB_LANE_H
#define LAB_LANE_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* Limited by a guest's memory, not by the addresses 10.10.(10+N).89. */
enum { MOST_LANES = 128 };

/* Exit statuses, the same as in the scripts. */
enum { EXIT_USAGE = 2, EXIT_BROKEN = 3 };

struct lane {
	unsigned int number;
	char name[32];
};

struct lane lane_of(unsigned int number);

/* The address of the lane's client. */
struct in_addr lane_address(const struct lane *lane);

/* Opens a file of the lane's directory: /run/lab/NAME/FILE. Ends the program on error. */
int lane_open(const struct lane *lane, const char *file, int flags);

/* Opens the network namespace named as the lane with "suffix" appended: with "" the lane's own. Ends the program on error. */
int lane_network(const struct lane *lane, const char *suffix);

/* Enters the lane's network namespace. Ends the program on error. */
void lane_enter_network(const struct lane *lane);

/*
 * Like "ip netns exec", for this process: enters the lane's network namespace, and mounts its files of /etc/netns over
 * those in /etc. /sys stays the machine's.
 */
void lane_enter(const struct lane *lane);

/* Returns "text" with each "{lane}" replaced by the lane's name; the caller frees it. */
char *lane_fill_in(const struct lane *lane, const char *text);

/* Starts a process in the lane; returns 0 in that process. Ends the program on error. */
pid_t lane_fork(const struct lane *lane);

/* Runs a command, with "{lane}" replaced; never returns. */
void lane_exec(const struct lane *lane, char **command) __attribute__((noreturn));

/* The time of CLOCK_MONOTONIC in seconds. */
double now_s(void);

/* Prints what failed, with errno's message, and ends the program. */
void give_up(const char *what, const char *which) __attribute__((noreturn));

#endif
