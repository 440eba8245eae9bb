// SPDX-License-Identifier: GPL-2.0
/* Runs a command in each lane. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "each.h"

/* Enough to keep the processors busy. */
enum { AT_A_TIME = 4 };

/* Number of checks, 20 ms apart, whether processes have ended. */
enum { LOOKS = 250 };

/* Each lane's, that of the client behind it, and the server's. */
enum { MOST_NAMESPACES = 2 * MOST_LANES + 1 };

static void start(const struct lane *lane, const char *input, char **command)
{
	int fd;

	if (lane_fork(lane) != 0)
		return;
	fd = open(input ? input : "/dev/null", O_RDONLY);
	if (fd < 0)
		give_up("open", input);
	dup2(fd, STDIN_FILENO);
	lane_exec(lane, command);
}

static int wait_for_one(void)
{
	int status;

	while (wait(&status) < 0)
		if (errno != EINTR)
			give_up("wait for", "a lane");
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BROKEN;
}

int each_run(unsigned int count, const char *input, char **command)
{
	unsigned int started, running = 0;
	int worst = 0;

	for (started = 0; started < count || running; ) {
		if (started < count && running < AT_A_TIME) {
			const struct lane lane = lane_of(started++);

			start(&lane, input, command);
			running++;
			continue;
		}
		running--;
		/* wait_for_one() must be the first operand, so that every process is awaited. */
		worst = wait_for_one() ?: worst;
	}
	return worst;
}

/* Identifies a namespace: /run/netns/NAME and /proc/PID/ns/net have the same inode. */
static ino_t inode_of(const char *path)
{
	struct stat found;

	return stat(path, &found) == 0 ? found.st_ino : 0;
}

struct namespaces {
	ino_t inodes[MOST_NAMESPACES];
	unsigned int count;
};

static struct namespaces find_namespaces(const char *prefix)
{
	struct namespaces found = { .count = 0 };
	DIR *names = opendir("/run/netns");
	const struct dirent *entry;
	char path[PATH_MAX];

	/* The directory does not exist before the first namespace is created. */
	while (names && (entry = readdir(names)) && found.count < MOST_NAMESPACES) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(path, sizeof(path), "/run/netns/%s", entry->d_name);
		found.inodes[found.count++] = inode_of(path);
	}
	if (names)
		closedir(names);
	return found;
}

static bool is_in(const char *pid, const struct namespaces *namespaces)
{
	char path[PATH_MAX];
	unsigned int i;
	ino_t own;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	own = inode_of(path);
	for (i = 0; own && i < namespaces->count; i++)
		if (namespaces->inodes[i] == own)
			return true;
	return false;
}

/* Sends a signal (0: none) to every process in the namespaces, and returns their number. */
static unsigned int signal_all(const struct namespaces *namespaces, int signal)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	unsigned int found = 0;

	if (!processes)
		give_up("read", "/proc");
	while ((entry = readdir(processes))) {
		char *end;
		pid_t pid = (pid_t)strtol(entry->d_name, &end, 10);

		if (*end || pid == getpid() || !is_in(entry->d_name, namespaces))
			continue;
		found++;
		kill(pid, signal);
	}
	closedir(processes);
	return found;
}

int each_clear(const char *prefix)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	const struct namespaces namespaces = find_namespaces(prefix);
	unsigned int looks;

	if (!signal_all(&namespaces, SIGTERM))
		return EXIT_SUCCESS;
	for (looks = 0; looks < LOOKS; looks++) {
		nanosleep(&pause, NULL);
		if (!signal_all(&namespaces, 0))
			return EXIT_SUCCESS;
	}
	signal_all(&namespaces, SIGKILL);
	return EXIT_SUCCESS;
}
