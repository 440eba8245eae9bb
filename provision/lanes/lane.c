// SPDX-License-Identifier: GPL-2.0
/* A lane's names, namespaces and processes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "lane.h"

void give_up(const char *what, const char *which)
{
	fprintf(stderr, "lanes: cannot %s %s: %s\n", what, which, strerror(errno));
	exit(EXIT_BROKEN);
}

double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct lane lane_of(unsigned int number)
{
	struct lane lane = { .number = number };

	snprintf(lane.name, sizeof(lane.name), "lab-lane%u", number);
	return lane;
}

struct in_addr lane_address(const struct lane *lane)
{
	struct in_addr address = { .s_addr = htonl(10u << 24 | 10u << 16 | (10u + lane->number) << 8 | 89u) };

	return address;
}

int lane_open(const struct lane *lane, const char *file, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/run/lab/%s/%s", lane->name, file);
	fd = open(path, flags | O_CLOEXEC, 0644);
	if (fd < 0)
		give_up("open", path);
	return fd;
}

int lane_network(const struct lane *lane, const char *suffix)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s%s", lane->name, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		give_up("open", path);
	return fd;
}

void lane_enter_network(const struct lane *lane)
{
	const int fd = lane_network(lane, "");

	if (setns(fd, CLONE_NEWNET) != 0)
		give_up("enter", lane->name);
	close(fd);
}

void lane_enter(const struct lane *lane)
{
	char resolv_conf[PATH_MAX];

	lane_enter_network(lane);
	/* Mounts must not be visible to other processes. */
	if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "none", MS_SLAVE | MS_REC, NULL) != 0)
		give_up("separate the mounts of", lane->name);
	snprintf(resolv_conf, sizeof(resolv_conf), "/etc/netns/%s/resolv.conf", lane->name);
	if (access(resolv_conf, F_OK) == 0 && mount(resolv_conf, "/etc/resolv.conf", "none", MS_BIND, NULL) != 0)
		give_up("mount", resolv_conf);
}

char *lane_fill_in(const struct lane *lane, const char *text)
{
	static const char mark[] = "{lane}";
	char *filled = NULL;
	const char *found;
	size_t size;
	FILE *stream = open_memstream(&filled, &size);

	if (!stream)
		give_up("fill in", text);
	for (; (found = strstr(text, mark)); text = found + strlen(mark)) {
		fwrite(text, 1, (size_t)(found - text), stream);
		fputs(lane->name, stream);
	}
	fputs(text, stream);
	if (fclose(stream) != 0)
		give_up("fill in", text);
	return filled;
}

pid_t lane_fork(const struct lane *lane)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork for", lane->name);
	if (pid == 0)
		lane_enter(lane);
	return pid;
}

void lane_exec(const struct lane *lane, char **command)
{
	size_t words = 0, i;
	char **filled;

	while (command[words])
		words++;
	filled = calloc(words + 1, sizeof(*filled));
	for (i = 0; filled && i < words; i++)
		filled[i] = lane_fill_in(lane, command[i]);
	if (filled)
		execvp(filled[0], filled);
	give_up("run", command[0]);
}
