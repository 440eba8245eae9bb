// SPDX-License-Identifier: GPL-2.0
#include "lanes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_BROKEN = 3 };

static const char mark[] = "{lane}";

static const char *enter(unsigned int number, const char *text)
{
	const char *found = strstr(text, mark);
	static char filled[PATH_MAX];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/lab-lane%u", number);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		return NULL;
	close(fd);
	if (!found)
		return text;
	snprintf(filled, sizeof(filled), "%.*slab-lane%u%s", (int)(found - text), text, number, found + strlen(mark));
	return filled;
}

bool parse_lanes(const char *text, struct lanes *lanes)
{
	char end;

	return sscanf(text, "%u-%u%c", &lanes->first, &lanes->last, &end) == 2 &&
	       lanes->first <= lanes->last && lanes->last < MOST_LANES;
}

/* One that is killed, as by --die-after, leaves the others alone. */
static int await_all(void)
{
	int status;

	for (;;) {
		if (wait(&status) >= 0) {
			if (WIFEXITED(status) && WEXITSTATUS(status) != EXIT_SUCCESS)
				return WEXITSTATUS(status);
		} else if (errno != EINTR) {
			return EXIT_SUCCESS;
		}
	}
}

const char *enter_a_lane(const struct lanes *lanes, const char *text)
{
	const pid_t first = getpid();
	unsigned int number;

	if (lanes->first == lanes->last)
		return enter(lanes->first, text);
	for (number = lanes->first; number <= lanes->last; number++) {
		pid_t pid = fork();

		if (pid < 0)
			return NULL;
		if (pid > 0)
			continue;
		if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != first)
			exit(EXIT_BROKEN);
		return enter(number, text);
	}
	exit(await_all());
}
