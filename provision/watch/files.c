// SPDX-License-Identifier: GPL-2.0
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check/process.h"
#include "watch.h"

/* How long a container's file system may take to answer. */
enum { READ_BOUND_MS = 200 };

ssize_t file_read_all(int fd, char *text, size_t size)
{
	size_t length = 0;
	ssize_t got = 0;

	while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) != 0) {
		if (got < 0 && errno != EINTR)
			break;
		length += got > 0 ? (size_t)got : 0;
	}
	text[length] = '\0';
	close(fd);
	return got < 0 && !length ? -1 : (ssize_t)length;
}

ssize_t process_file_read(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	int fd;

	text[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -1 : file_read_all(fd, text, size);
}

unsigned long process_network(pid_t pid)
{
	char path[64], link[64];
	unsigned long inode = 0;
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	length = readlink(path, link, sizeof(link) - 1);
	if (length <= 0)
		return 0;
	link[length] = '\0';
	return sscanf(link, "net:[%lu]", &inode) == 1 ? inode : 0;
}

/* In a container's root directory, whose links lead nowhere else, and whose file system may hang. */
static void send_resolver_file(pid_t pid, int pipe_end) __attribute__((noreturn));
static void send_resolver_file(pid_t pid, int pipe_end)
{
	char path[64], text[FILE_BYTES];
	struct stat status;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	if (chroot(path) < 0 || chdir("/") < 0)
		_exit(EXIT_BROKEN);
	fd = open("/etc/resolv.conf", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		_exit(EXIT_BROKEN);
	length = file_read_all(fd, text, sizeof(text));
	_exit(length > 0 && write(pipe_end, text, (size_t)length) == length ? EXIT_SUCCESS : EXIT_BROKEN);
}

ssize_t resolver_file_read(pid_t pid, char *text, size_t size)
{
	struct pollfd source;
	ssize_t length = -1;
	int ends[2];
	pid_t child;

	text[0] = '\0';
	/* Of earlier calls: a child that hangs in the kernel ends when its file system answers. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	child = process_fork();
	if (child == 0)
		send_resolver_file(pid, ends[1]);
	close(ends[1]);
	source = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	if (poll(&source, 1, READ_BOUND_MS) > 0) {
		length = file_read_all(ends[0], text, size);
		waitpid(child, NULL, 0);
	} else {
		kill(child, SIGKILL);
		close(ends[0]);
	}
	return length > 0 ? length : -1;
}
