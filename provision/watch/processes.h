/* SPDX-License-Identifier: GPL-2.0 */
/* The machine's processes and their network namespaces. */
#ifndef WATCH_PROCESSES_H
#define WATCH_PROCESSES_H

#include <sys/types.h>

struct process {
	pid_t pid;
	/* Inode of its network namespace; 0 if it is not known. */
	unsigned long network;
	unsigned int looks;
};

/* Looks at /proc again: at new processes, and at each known one now and then, since it may change its namespace. */
void processes_look(void);

/* The processes, by process id; the watch's own are left out. */
const struct process *processes_all(unsigned int *count);

/* Adds a process's name and control groups to the line of output; two empty texts for process 0. */
void process_put_names(pid_t pid);

#endif
