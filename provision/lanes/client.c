// SPDX-License-Identifier: GPL-2.0
/* Runs the client of a trial. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "lane.h"

/* Time that a client has to end by SIGTERM, in seconds. */
static const double GRACE_S = 2;

void client_exec(char **command)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(command[0], command);
	give_up("run", command[0]);
}

static pid_t start(char **command, bool is_quiet)
{
	pid_t pid = fork();
	int null;

	if (pid < 0)
		give_up("fork for", command[0]);
	if (pid)
		return pid;
	/* Its own process group, so that its children end with it. */
	setpgid(0, 0);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0 || (is_quiet && dup2(null, STDOUT_FILENO) < 0))
		give_up("open", "/dev/null");
	client_exec(command);
}

/* Waits for a signal, at most until the given time. */
static void wait_until(const sigset_t *signals, double until_s)
{
	const double left_s = until_s - now_s();
	struct timespec left = { .tv_sec = 0 };

	if (left_s > 0) {
		left.tv_sec = (time_t)left_s;
		left.tv_nsec = (long)((left_s - (double)left.tv_sec) * 1e9);
	}
	sigtimedwait(signals, NULL, &left);
}

int client_watch(char **command, unsigned int bound_s, const char *timed)
{
	const double begun_s = now_s();
	double until_s = begun_s + bound_s;
	int signal = SIGTERM, status;
	bool is_ended = false;
	sigset_t child;
	pid_t pid, ended;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	pid = start(command, timed);
	while ((ended = waitpid(pid, &status, WNOHANG)) != pid) {
		if (ended < 0 && errno != EINTR)
			give_up("wait for", command[0]);
		wait_until(&child, until_s);
		if (now_s() < until_s)
			continue;
		kill(-pid, signal);
		is_ended = true;
		signal = SIGKILL;
		until_s = now_s() + GRACE_S;
	}
	if (timed)
		printf("{\"client\": \"%s\", \"lookup_s\": %.3f, \"whole_program\": true}\n", timed, now_s() - begun_s);
	fflush(stdout);
	if (is_ended)
		return EXIT_TIMEOUT;
	/* As in a shell. */
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
