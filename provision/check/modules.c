// SPDX-License-Identifier: GPL-2.0
#include "modules.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

/* Files that list the loaded modules; /run is empty after a boot. A file is locked while its check runs. */
#define NOTES "/run/five-second-lab-check."
/* Name of an incomplete, unlocked list, which other checks must not find. */
#define UNFINISHED "/run/.five-second-lab-check."

enum {
	/* The kernel removes a namespace asynchronously, and it uses the modules until then. */
	UNLOAD_LOOKS = 100,
	UNLOAD_PAUSE_MS = 100,
	/* More than one is rare: each is of a check whose keeper was killed. */
	MOST_NOTES = 8,
	UNFINISHED_S = 60,
};

/* Pipe to the keeper: it ends its work when all writers have closed it. */
static int keeper_ends = -1;
static pid_t keeper = -1;

bool modules_read(struct modules *modules, const char *text)
{
	modules->count = 0;
	while (*text) {
		size_t length = strcspn(text, " \n");
		size_t i;

		for (i = 0; i < length; i++)
			if (!isalnum((unsigned char)text[i]) && text[i] != '_')
				return false;
		if (length >= MODULE_NAME_BYTES || (length && modules->count == MOST_MODULES))
			return false;
		if (length)
			snprintf(modules->names[modules->count++], MODULE_NAME_BYTES, "%.*s", (int)length, text);
		text += length + (text[length] != '\0');
	}
	return true;
}

static bool is_loaded(const char *name)
{
	FILE *list = fopen("/proc/modules", "re");
	char line[1024];
	size_t length = strlen(name);
	bool found = false;

	while (list && !found && fgets(line, sizeof(line), list))
		found = strncmp(line, name, length) == 0 && line[length] == ' ';
	if (list)
		fclose(list);
	return found;
}

static bool load(const char *name)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execlp("modprobe", "modprobe", "-q", name, (char *)NULL);
		_exit(EXIT_BROKEN);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/*
 * The kernel does not count a link as a use of its module: unloading veth
 * removes all veth links in all namespaces, also those that others have created
 * meanwhile. So it stays loaded, which has no effect without links.
 */
static bool must_stay(const char *name)
{
	return strcmp(name, "veth") == 0;
}

/* Modules that are in use stay loaded. */
static void unload(const struct modules *modules)
{
	const struct timespec pause = { .tv_nsec = UNLOAD_PAUSE_MS * 1000000L };
	unsigned int look, left = 1, i;

	for (look = 0; look < UNLOAD_LOOKS && left; look++) {
		left = 0;
		for (i = modules->count; i > 0; i--) {
			const char *name = modules->names[i - 1];

			if (!must_stay(name) && syscall(SYS_delete_module, name, O_NONBLOCK) < 0 && errno != ENOENT &&
			    is_loaded(name))
				left++;
		}
		if (left)
			nanosleep(&pause, NULL);
	}
}

static int note(const struct modules *modules, char *path)
{
	char unfinished[PATH_MAX];
	unsigned int i;
	int fd;

	snprintf(path, PATH_MAX, NOTES "%d", (int)getpid());
	snprintf(unfinished, sizeof(unfinished), UNFINISHED "%d", (int)getpid());
	/* An existing file is of a killed process with the same pid. */
	unlink(unfinished);
	fd = open(unfinished, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		give_up("list the loaded modules in", unfinished);
	for (i = 0; i < modules->count; i++)
		dprintf(fd, "%s\n", modules->names[i]);
	if (rename(unfinished, path) < 0)
		give_up("list the loaded modules in", path);
	return fd;
}

/* Lists of checks that were killed together with their keepers. A locked list belongs to a running check. */
struct orphans {
	int notes[MOST_NOTES];
	char paths[MOST_NOTES][PATH_MAX];
	unsigned int count;
};

static struct orphans find_orphans(void)
{
	struct orphans orphans = { .count = 0 };
	glob_t found;
	size_t i;

	if (glob(NOTES "*", 0, NULL, &found) != 0)
		return orphans;
	for (i = 0; i < found.gl_pathc && orphans.count < MOST_NOTES; i++) {
		int fd = open(found.gl_pathv[i], O_RDWR | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			close(fd);
			continue;
		}
		snprintf(orphans.paths[orphans.count], PATH_MAX, "%s", found.gl_pathv[i]);
		orphans.notes[orphans.count++] = fd;
	}
	globfree(&found);
	return orphans;
}

/* Removes incomplete lists of processes that were killed while writing them. */
static void remove_unfinished(void)
{
	const time_t now = time(NULL);
	struct stat status;
	glob_t found;
	size_t i;

	if (glob(UNFINISHED "*", 0, NULL, &found) != 0)
		return;
	for (i = 0; i < found.gl_pathc; i++)
		if (lstat(found.gl_pathv[i], &status) == 0 && now - status.st_mtime > UNFINISHED_S)
			unlink(found.gl_pathv[i]);
	globfree(&found);
}

static bool has(const struct modules *modules, const char *name)
{
	unsigned int i;

	for (i = 0; i < modules->count; i++)
		if (strcmp(modules->names[i], name) == 0)
			return true;
	return false;
}

static bool read_list(int fd, struct modules *listed)
{
	char text[MOST_MODULES * MODULE_NAME_BYTES];
	ssize_t got = read(fd, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	return modules_read(listed, text);
}

/* Adds the listed modules that are still loaded to those to be unloaded. */
static void adopt(struct modules *modules, const struct orphans *orphans)
{
	struct modules listed;
	unsigned int i, name;

	for (i = 0; i < orphans->count; i++) {
		if (!read_list(orphans->notes[i], &listed))
			continue;
		for (name = 0; name < listed.count && modules->count < MOST_MODULES; name++)
			if (is_loaded(listed.names[name]) && !has(modules, listed.names[name]))
				memcpy(modules->names[modules->count++], listed.names[name], MODULE_NAME_BYTES);
	}
}

/* Returns whether another check lists the module, running or killed. */
static bool is_listed(const char *name)
{
	struct modules listed;
	bool found = false;
	glob_t lists;
	size_t i;

	if (glob(NOTES "*", 0, NULL, &lists) != 0)
		return false;
	for (i = 0; i < lists.gl_pathc && !found; i++) {
		int fd = open(lists.gl_pathv[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		found = fd >= 0 && read_list(fd, &listed) && has(&listed, name);
		if (fd >= 0)
			close(fd);
	}
	globfree(&lists);
	return found;
}

/*
 * Drops the machine's own modules. One that another check has loaded is kept:
 * that check may unload it at any moment, and what the kernel then loads by
 * itself must be unloaded by this one.
 */
static void drop_loaded(struct modules *modules)
{
	unsigned int i, kept = 0;

	for (i = 0; i < modules->count; i++)
		if (!is_loaded(modules->names[i]) || is_listed(modules->names[i]))
			memmove(modules->names[kept++], modules->names[i], MODULE_NAME_BYTES);
	modules->count = kept;
}

/* Runs in its own session and ignores signals: it ends after the other processes. */
static void keep(struct modules *modules, int ends, int tells) __attribute__((noreturn));
static void keep(struct modules *modules, int ends, int tells)
{
	const char *failed = "";
	static struct orphans orphans;
	char path[PATH_MAX], byte;
	unsigned int i;

	setsid();
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	drop_loaded(modules);
	orphans = find_orphans();
	adopt(modules, &orphans);
	note(modules, path);
	remove_unfinished();
	/* A list of the same pid was replaced by ours. */
	for (i = 0; i < orphans.count; i++)
		if (strcmp(orphans.paths[i], path) != 0)
			unlink(orphans.paths[i]);
	for (i = 0; i < modules->count && !*failed; i++)
		if (!is_loaded(modules->names[i]) && !load(modules->names[i]))
			failed = modules->names[i];
	dprintf(tells, "%s\n", failed);
	close(tells);
	/* Readers of these pipes must not wait for this process. */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	while (read(ends, &byte, 1) < 0 && errno == EINTR)
		;
	unload(modules);
	unlink(path);
	_exit(EXIT_SUCCESS);
}

void modules_load(const struct modules *modules)
{
	struct modules wanted = *modules;
	int ends[2], tells[2];
	glob_t notes;
	char failed[MODULE_NAME_BYTES + 1];
	ssize_t got;

	if (!modules->count && glob(NOTES "*", GLOB_NOSORT, NULL, &notes) != 0)
		return;
	if (!modules->count)
		globfree(&notes);
	if (pipe2(ends, O_CLOEXEC) < 0 || pipe2(tells, O_CLOEXEC) < 0)
		give_up("make", "a pipe");
	keeper = fork();
	if (keeper < 0)
		give_up("start", "a process");
	if (keeper == 0) {
		close(ends[1]);
		keep(&wanted, ends[0], tells[1]);
	}
	close(ends[0]);
	close(tells[1]);
	keeper_ends = ends[1];
	got = read(tells[0], failed, sizeof(failed) - 1);
	close(tells[0]);
	failed[got > 0 ? got : 0] = '\0';
	if (got == 1)
		return;
	failed[strcspn(failed, "\n")] = '\0';
	modules_unload();
	fprintf(stderr, "check: module %s cannot be loaded\n", *failed ? failed : "(unknown)");
	exit(EXIT_BROKEN);
}

void modules_unload(void)
{
	if (keeper < 0)
		return;
	close(keeper_ends);
	while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
		;
	keeper = -1;
}
