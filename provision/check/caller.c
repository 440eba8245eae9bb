// SPDX-License-Identifier: GPL-2.0
#include "caller.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

void caller_remove_program(const char *path)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", path);
	unlink(path);
	rmdir(dirname(directory));
}

/* Nothing is written to it, or nothing that matters: only its end is detected. */
bool caller_has_gone(void)
{
	char bytes[256];

	return read(STDIN_FILENO, bytes, sizeof(bytes)) == 0;
}
