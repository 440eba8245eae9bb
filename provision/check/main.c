// SPDX-License-Identifier: GPL-2.0
/*
 * check - tests how this machine's kernel handles two queries of one flow
 *
 * It runs trials of the lab's scenario "nfqueue" in parallel, each in separate
 * network namespaces, and sends their raw files. It uses only the machine's
 * kernel: resolver, DNS server, verdict program and rules are part of this
 * program. However it ends, the kernel removes what it created: namespaces
 * have no names, and no process outlives its parent, except the one that
 * unloads modules.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lanes/archive.h"
#include "caller.h"
#include "check.h"
#include "modules.h"
#include "process.h"
#include "trial.h"

#define VERSION "1.0"

enum { MOST_TRIALS = 32 };

static const char help[] =
"Usage: check --rule nftables|iptables [OPTION]...\n"
"Run trials in separate namespaces, and send their raw files as a tar archive.\n"
"\n"
"  -r, --rule WHICH       what queues packets: nftables or iptables\n"
"  -n, --trials N         run N trials in parallel, 1 to 32 (default 5)\n"
"  -a, --again N          in the last N of them, reinject packets with NF_REPEAT and\n"
"                         log them a second time (default 0)\n"
"  -d, --dnat             map the two queries of a lookup to two servers, by DNAT\n"
"  -m, --modules \"A B\"    load these modules, dependencies first, and unload them at\n"
"                         the end unless they are in use; veth stays loaded\n"
"  -x, --remove           remove this program's file and its directory at once\n"
"  -h, --help             show this\n"
"  -V, --version          show the version\n"
"\n"
"It ends at the end of its standard input, that is, when its caller has gone.\n"
"\n"
"Examples:\n"
"  check --rule nftables --trials 5 >trials.tar\n"
"\n"
"Exit status: 0 all trials were run, 2 bad usage, 3 they could not be run.\n";

struct running {
	pid_t pid;
	int archive;
	char *bytes;
	size_t length;
	size_t size;
};

void give_up(const char *what, const char *which)
{
	char line[512];
	int length = snprintf(line, sizeof(line), "check: cannot %s %s: %s\n", what, which, strerror(errno));

	/* One write: several trials may fail at the same time. Errors of this write are ignored. */
	if (write(STDERR_FILENO, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line)) < 0)
		exit(EXIT_BROKEN);
	exit(EXIT_BROKEN);
}

static struct running start(const struct plan *plan, unsigned int number)
{
	struct running running = { .archive = -1 };
	int archive[2];

	if (pipe(archive) < 0)
		give_up("make", "a pipe");
	running.archive = archive[0];
	running.pid = process_fork();
	if (running.pid == 0) {
		dup2(archive[1], STDOUT_FILENO);
		close(archive[0]);
		close(archive[1]);
		trial_run(plan, number);
	}
	close(archive[1]);
	return running;
}

static void report_begin(unsigned int number)
{
	char directory[16];

	snprintf(directory, sizeof(directory), "begun/%04u", number);
	archive_add_directory(directory);
	/* Now: the next trial is a copy of this process, and would send it as well. */
	archive_write();
}

/* Receives data from a trial; false at its end. */
static bool take(struct running *running)
{
	ssize_t got;

	if (running->length == running->size) {
		running->size = running->size ? running->size * 2 : 65536;
		running->bytes = realloc(running->bytes, running->size);
		if (!running->bytes)
			give_up("keep", "a trial's files");
	}
	got = read(running->archive, running->bytes + running->length, running->size - running->length);
	if (got > 0)
		running->length += (size_t)got;
	return got > 0 || (got < 0 && errno == EINTR);
}

/* Sends all files of a trial; false if the trial failed. */
static bool end(struct running *running)
{
	size_t sent = 0;
	int status;

	close(running->archive);
	running->archive = -1;
	if (waitpid(running->pid, &status, 0) != running->pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return false;
	while (sent < running->length) {
		ssize_t put = write(STDOUT_FILENO, running->bytes + sent, running->length - sent);

		if (put < 0 && errno != EINTR)
			give_up("write", "the archive");
		sent += put > 0 ? (size_t)put : 0;
	}
	free(running->bytes);
	return true;
}

static bool attend(struct running *running, unsigned int count)
{
	struct pollfd sources[MOST_TRIALS + 1] = { [0] = { .fd = STDIN_FILENO, .events = POLLIN } };
	unsigned int left = count, i;
	bool well = true;

	while (left) {
		for (i = 0; i < count; i++)
			sources[i + 1] = (struct pollfd){ .fd = running[i].archive, .events = POLLIN };
		if (poll(sources, count + 1, -1) < 0 && errno != EINTR)
			give_up("wait for", "trials");
		if (sources[0].revents && caller_has_gone()) {
			fprintf(stderr, "check: the caller has gone\n");
			return false;
		}
		for (i = 0; i < count; i++) {
			if (!sources[i + 1].revents || take(&running[i]))
				continue;
			well = end(&running[i]) && well;
			left--;
		}
	}
	return well;
}

static bool make_trials(const struct plan *plan)
{
	struct running running[MOST_TRIALS] = { { .pid = 0 } };
	unsigned int i;
	bool well;

	for (i = 0; i < plan->trials; i++) {
		running[i] = start(plan, i + 1);
		report_begin(i + 1);
	}
	well = attend(running, plan->trials);
	archive_end();
	return well;
}

static unsigned int number(const char *option, const char *text)
{
	char *rest;
	long value;

	errno = 0;
	value = strtol(text, &rest, 10);
	if (errno || rest == text || *rest || value < 0 || value > MOST_TRIALS) {
		fprintf(stderr, "check: %s takes a number up to %d, not '%s'\n", option, MOST_TRIALS, text);
		exit(EXIT_USAGE);
	}
	return (unsigned int)value;
}

static bool choose_rules(struct plan *plan, const char *name)
{
	if (strcmp(name, "nftables") == 0)
		plan->rules = &rules_by_nftables;
	else if (strcmp(name, "iptables") == 0)
		plan->rules = &rules_by_iptables;
	return plan->rules;
}

static void refuse(const char *why) __attribute__((noreturn));
static void refuse(const char *why)
{
	fprintf(stderr, "check: %s: see --help\n", why);
	exit(EXIT_USAGE);
}

static void parse_options(int argc, char **argv, struct plan *plan, struct modules *modules)
{
	static const struct option known[] = {
		{ "rule", required_argument, NULL, 'r' },
		{ "trials", required_argument, NULL, 'n' },
		{ "again", required_argument, NULL, 'a' },
		{ "dnat", no_argument, NULL, 'd' },
		{ "modules", required_argument, NULL, 'm' },
		{ "remove", no_argument, NULL, 'x' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "r:n:a:dm:xhV", known, NULL)) != -1) {
		switch (option) {
		case 'r':
			if (!choose_rules(plan, optarg))
				refuse("--rule takes nftables or iptables");
			break;
		case 'n':
			plan->trials = number("--trials", optarg);
			break;
		case 'a':
			plan->again = number("--again", optarg);
			break;
		case 'd':
			plan->behind_dnat = true;
			break;
		case 'm':
			if (!modules_read(modules, optarg))
				refuse("--modules takes names of modules");
			break;
		case 'x':
			caller_remove_program(argv[0]);
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_SUCCESS);
		case 'V':
			puts("check " VERSION);
			exit(EXIT_SUCCESS);
		default:
			/* getopt_long has printed the error. */
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		refuse("too many arguments");
	if (!plan->rules)
		refuse("--rule is required");
	if (plan->trials < 1 || plan->again > plan->trials)
		refuse("--trials must be at least 1, and --again at most --trials");
}

int main(int argc, char **argv)
{
	struct plan plan = { .trials = 5 };
	struct modules modules = { .count = 0 };
	bool well;

	parse_options(argc, argv, &plan, &modules);
	if (geteuid() != 0) {
		fprintf(stderr, "check: this needs root\n");
		return EXIT_BROKEN;
	}
	/* A closed reader is handled as an error of write(). */
	signal(SIGPIPE, SIG_IGN);
	modules_load(&modules);
	well = make_trials(&plan);
	modules_unload();
	return well ? EXIT_SUCCESS : EXIT_BROKEN;
}
