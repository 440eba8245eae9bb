// SPDX-License-Identifier: GPL-2.0
#include "processes.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "output.h"
#include "watch.h"

/* A new process is often about to enter its namespace: it is looked at so often, then at every fifth look. */
enum { FIRST_LOOKS = 3, LOOK_EVERY = 5 };

struct table {
	struct process *rows;
	unsigned int count, size;
};

static struct table known, next;

static void add(const struct process *process)
{
	if (next.count == next.size) {
		next.size = next.size ? next.size * 2 : 1024;
		next.rows = realloc(next.rows, next.size * sizeof(*next.rows));
		if (!next.rows)
			give_up("keep", "the list of processes");
	}
	next.rows[next.count++] = *process;
}

static int compare(const void *one, const void *other)
{
	const struct process *first = one, *second = other;

	return (first->pid > second->pid) - (first->pid < second->pid);
}

static bool is_due(const struct process *process)
{
	return process->looks < FIRST_LOOKS || (process->looks + (unsigned int)process->pid) % LOOK_EVERY == 0;
}

static void look_at(pid_t pid)
{
	const struct process key = { .pid = pid };
	const struct process *before = known.count ?
		bsearch(&key, known.rows, known.count, sizeof(key), compare) : NULL;
	struct process process = before ? *before : key;

	if (is_due(&process))
		process.network = process_network(pid);
	process.looks++;
	add(&process);
}

void processes_look(void)
{
	const struct table before = known;
	DIR *directory = opendir("/proc");
	const pid_t own = getpid();
	struct dirent *entry;
	bool sorted = true;

	if (!directory)
		give_up("read", "/proc");
	next.count = 0;
	while ((entry = readdir(directory))) {
		const pid_t pid = (pid_t)atoi(entry->d_name);

		if (pid <= 0 || pid == own)
			continue;
		look_at(pid);
		sorted = sorted && (next.count < 2 || next.rows[next.count - 2].pid < pid);
	}
	closedir(directory);
	if (!sorted)
		qsort(next.rows, next.count, sizeof(*next.rows), compare);
	known = next;
	next = before;
}

const struct process *processes_all(unsigned int *count)
{
	*count = known.count;
	return known.rows;
}

static void put_file(pid_t pid, const char *name)
{
	char text[FILE_BYTES];

	if (!pid || process_file_read(pid, name, text, sizeof(text)) < 0)
		text[0] = '\0';
	output_put_text(text);
}

void process_put_names(pid_t pid)
{
	put_file(pid, "comm");
	put_file(pid, "cgroup");
}
