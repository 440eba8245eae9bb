/* SPDX-License-Identifier: GPL-2.0 */
/* A lane: a network namespace of a client's own, with files of its own under /run/lab. */
#ifndef LAB_LANE_H
#define LAB_LANE_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* 10.10.(10+N).89 has room for some more; a guest's memory has not. */
enum { MOST_LANES = 128 };

/* Exit statuses, as the scripts have them. */
enum { EXIT_USAGE = 2, EXIT_BROKEN = 3 };

struct lane {
	unsigned int number;
	char name[32];
};

struct lane lane_of(unsigned int number);

/* The lane's client's address. */
struct in_addr lane_address(const struct lane *lane);

/* Opens a file of the lane's directory: /run/lab/NAME/FILE. Ends the program if it cannot be. */
int lane_open(const struct lane *lane, const char *file, int flags);

/* Goes into the lane's network namespace. Ends the program if there is none. */
void lane_enter_network(const struct lane *lane);

/*
 * Does as "ip netns exec" does, for this process alone: the lane's network, and its files of /etc/netns in place of those
 * in /etc. /sys stays the machine's.
 */
void lane_enter(const struct lane *lane);

/* A lane's namespaces, kept so that they can be gone into again and again. */
struct door {
	int network;
	int mounts;
};

/* Makes a door to a lane, without staying there. Whoever makes a mount namespace anew each time waits for all processors. */
struct door lane_door(const struct lane *lane);

void door_enter(const struct door *door);

/* Gives "text" with each "{lane}" in it replaced by the lane's name; the caller frees it. */
char *lane_fill_in(const struct lane *lane, const char *text);

/* Starts a process that is in the lane; 0 in that process. Ends the program if it cannot. */
pid_t lane_fork(const struct lane *lane);

/* Runs a command, "{lane}" in it filled in; never returns. */
void lane_exec(const struct lane *lane, char **command) __attribute__((noreturn));

/* Ends the program: what could not be done, and why by errno. */
void give_up(const char *what, const char *which) __attribute__((noreturn));

#endif
