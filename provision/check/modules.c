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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

/* Where it is noted what was loaded: empty after a boot, as is the kernel. Held locked while it is needed. */
#define NOTES "/run/five-second-lab-check."

enum {
	/* The kernel takes a while to remove a namespace, and what was in it uses the modules until then. */
	UNLOAD_LOOKS = 100,
	UNLOAD_PAUSE_MS = 100,
	/* More than one is rare: each is of a check whose keeper was killed, too. */
	MOST_NOTES = 8,
};

/* What ends the keeper's work: it reads the end of this pipe when nobody can write to it any more. */
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
 * The kernel does not count a link as a use of its module: unloading it takes
 * away all such links in all namespaces, those that others have made meanwhile
 * too. So it stays: without links it does nothing.
 */
static bool must_stay(const char *name)
{
	return strcmp(name, "veth") == 0;
}

/* Those that others use by now stay. */
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
	unsigned int i;
	int fd;

	snprintf(path, PATH_MAX, NOTES "%d", (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		give_up("note what is loaded in", path);
	for (i = 0; i < modules->count; i++)
		dprintf(fd, "%s\n", modules->names[i]);
	return fd;
}

/* Notes of checks that were killed, their keepers too. One that is locked belongs to a check which goes on. */
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

/* What they name that is still loaded is to be unloaded with ours. */
static void adopt(struct modules *modules, const struct orphans *orphans)
{
	char text[MOST_MODULES * MODULE_NAME_BYTES];
	struct modules noted;
	unsigned int i, name;

	for (i = 0; i < orphans->count; i++) {
		ssize_t got = read(orphans->notes[i], text, sizeof(text) - 1);

		text[got > 0 ? got : 0] = '\0';
		if (!modules_read(&noted, text))
			continue;
		for (name = 0; name < noted.count && modules->count < MOST_MODULES; name++)
			if (is_loaded(noted.names[name]))
				memcpy(modules->names[modules->count++], noted.names[name], MODULE_NAME_BYTES);
	}
}

static void drop_loaded(struct modules *modules)
{
	unsigned int i, kept = 0;

	for (i = 0; i < modules->count; i++)
		if (!is_loaded(modules->names[i]))
			memmove(modules->names[kept++], modules->names[i], MODULE_NAME_BYTES);
	modules->count = kept;
}

/* In a session of its own, deaf to what ends the others: it ends when they have. */
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
	for (i = 0; i < orphans.count; i++)
		unlink(orphans.paths[i]);
	for (i = 0; i < modules->count && !*failed; i++)
		if (!is_loaded(modules->names[i]) && !load(modules->names[i]))
			failed = modules->names[i];
	dprintf(tells, "%s\n", failed);
	close(tells);
	/* Nobody shall wait for the end of what this process could still print. */
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
