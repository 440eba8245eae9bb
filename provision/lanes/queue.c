// SPDX-License-Identifier: GPL-2.0
/* The verdict program of the lanes. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "queue.h"

/* Number of checks, 10 ms apart, whether a program listens. */
enum { LOOKS = 2000 };

/* The copy mode in the kernel's list when a program is ready to receive packets (NFQNL_COPY_PACKET). */
enum { WHOLE_PACKETS = 2 };

static const char errors[] = "/run/lab/verdict.err";

static pid_t start(char **program)
{
	pid_t pid = fork();
	int null, err;

	if (pid < 0)
		give_up("start", program[0]);
	if (pid)
		return pid;
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	err = open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (null < 0 || err < 0)
		give_up("open", errors);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execvp(program[0], program);
	give_up("run", program[0]);
}

/* Opens the lane's list, which can be read repeatedly. */
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

static void report_failure(const struct lane *lane)
{
	char output[512] = "";
	int fd = open(errors, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, output, sizeof(output) - 1) < 0)
		give_up("read", errors);
	fprintf(stderr, "lanes: the verdict program does not listen in %s: %s\n", lane->name, output);
}

int queue_serve(unsigned int first, unsigned int count, unsigned int queue, char **program)
{
	const pid_t pid = start(program);
	unsigned int i;

	for (i = first; i < count; i++) {
		const struct lane lane = lane_of(i);

		if (await(&lane, pid, queue))
			continue;
		report_failure(&lane);
		return EXIT_BROKEN;
	}
	return EXIT_SUCCESS;
}
