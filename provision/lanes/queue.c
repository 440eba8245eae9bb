// SPDX-License-Identifier: GPL-2.0
/* The verdict programs of the lanes. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "queue.h"

/* How often, 10 ms apart, it is looked whether a program listens. */
enum { LOOKS = 2000 };

/* Copy mode 2 of the kernel's list says that a program asked for the packets, too (NFQNL_COPY_PACKET). */
enum { WHOLE_PACKETS = 2 };

static pid_t start(const struct lane *lane, char **program)
{
	pid_t pid = lane_fork(lane);
	int null, err;

	if (pid)
		return pid;
	setsid();
	null = open("/dev/null", O_RDWR);
	err = lane_open(lane, "verdict.err", O_WRONLY | O_CREAT | O_TRUNC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	lane_exec(lane, program);
}

/* The lane's own list; opened once, it can be read again and again. */
static FILE *open_list(const struct lane *lane)
{
	FILE *list;

	lane_enter_network(lane);
	list = fopen("/proc/net/netfilter/nfnetlink_queue", "re");
	if (!list)
		give_up("read the queues of", lane->name);
	return list;
}

static bool is_listed(FILE *list, unsigned int queue)
{
	unsigned int number, mode;
	char line[256];
	bool found = false;

	rewind(list);
	while (fgets(line, sizeof(line), list))
		if (sscanf(line, "%u %*u %*u %u", &number, &mode) == 2)
			found = found || (number == queue && mode == WHOLE_PACKETS);
	return found;
}

static bool await(const struct lane *lane, pid_t pid, unsigned int queue)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	FILE *list = open_list(lane);
	unsigned int looks = 0;
	bool listens;

	while (!(listens = is_listed(list, queue)) && looks++ < LOOKS && waitpid(pid, NULL, WNOHANG) == 0)
		nanosleep(&pause, NULL);
	fclose(list);
	return listens;
}

static void tell_why_not(const struct lane *lane)
{
	char said[512] = "";
	int fd = lane_open(lane, "verdict.err", O_RDONLY);

	if (read(fd, said, sizeof(said) - 1) < 0)
		give_up("read", "verdict.err");
	fprintf(stderr, "lanes: the verdict program does not listen in %s: %s\n", lane->name, said);
}

int queue_serve(unsigned int count, unsigned int queue, char **program)
{
	pid_t pids[MOST_LANES];
	unsigned int i;

	for (i = 0; i < count; i++) {
		const struct lane lane = lane_of(i);

		pids[i] = start(&lane, program);
	}
	for (i = 0; i < count; i++) {
		const struct lane lane = lane_of(i);

		if (await(&lane, pids[i], queue))
			continue;
		tell_why_not(&lane);
		return EXIT_BROKEN;
	}
	return EXIT_SUCCESS;
}
