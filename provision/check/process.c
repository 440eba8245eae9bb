// SPDX-License-Identifier: GPL-2.0
#include "process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"

pid_t process_fork(void)
{
	const pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		give_up("start", "a process");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* The parent may have ended before prctl(). */
		if (getppid() != parent)
			_exit(EXIT_BROKEN);
	}
	return pid;
}
