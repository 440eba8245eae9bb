// SPDX-License-Identifier: GPL-2.0
/*
 * Trials side by side. A trial spends most of its time waiting for a query that was lost, so many can wait at once. What
 * they do before that takes the processor, and two queries of one trial must follow each other closely or the race is not
 * armed: so only a few trials are in that phase at once, however many lanes there are.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "archive.h"
#include "kernel_log.h"
#include "trials.h"

/* A client that has not asked by then is not going to, or asks where no verdict program sees it. */
static const double ASKS_WITHIN_S = 1;

/* Between two looks whether clients have asked. */
enum { LOOK_MS = 10 };

/* "10.10.73.89:" or the like: how the hook's lines begin. */
enum { MOST_ADDRESS = 32 };

struct text {
	char *bytes;
	size_t length;
};

struct trial {
	struct lane lane;
	struct door door;
	char address[MOST_ADDRESS];
	char raw[PATH_MAX];
	/* The lane's counters of conntrack; the program's log. */
	int counters;
	int verdicts;
	/* 0: the lane is free. */
	pid_t client;
	unsigned int number;
	double begun_s;
	bool has_asked;
	struct text counters_before;
	struct text kernel_log;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void append(struct text *text, const char *bytes, size_t length)
{
	text->bytes = realloc(text->bytes, text->length + length + 1);
	if (!text->bytes)
		give_up("keep", "what was read");
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

static void forget(struct text *text)
{
	free(text->bytes);
	memset(text, 0, sizeof(*text));
}

static struct text read_counters(const struct trial *trial)
{
	struct text text = { NULL, 0 };
	char bytes[4096];
	ssize_t length;

	if (lseek(trial->counters, 0, SEEK_SET) < 0)
		give_up("read the counters of", trial->lane.name);
	while ((length = read(trial->counters, bytes, sizeof(bytes))) > 0)
		append(&text, bytes, (size_t)length);
	return text;
}

static void open_lane(struct trial *trial, unsigned int number)
{
	struct in_addr address;

	memset(trial, 0, sizeof(*trial));
	trial->lane = lane_of(number);
	trial->door = lane_door(&trial->lane);
	address = lane_address(&trial->lane);
	snprintf(trial->address, sizeof(trial->address), " 10.%u.%u.%u:", ntohl(address.s_addr) >> 16 & 0xff,
		 ntohl(address.s_addr) >> 8 & 0xff, ntohl(address.s_addr) & 0xff);
	snprintf(trial->raw, sizeof(trial->raw), "/run/lab/%s/raw", trial->lane.name);
	if (mkdir(trial->raw, 0755) != 0 && errno != EEXIST)
		give_up("make", trial->raw);
	trial->verdicts = lane_open(&trial->lane, "verdict.jsonl", O_RDWR | O_CREAT);
	lane_enter_network(&trial->lane);
	trial->counters = open("/proc/net/stat/nf_conntrack", O_RDONLY | O_CLOEXEC);
	if (trial->counters < 0)
		give_up("open the counters of", trial->lane.name);
}

/* 0 in the process that is started, which is in the lane. */
static pid_t start(const struct trial *trial)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork for", trial->lane.name);
	if (pid == 0)
		door_enter(&trial->door);
	return pid;
}

/* Runs what gathers evidence, in the lane and in the directory of the raw files, and waits for its end. */
static void gather(const struct batch *batch, const struct trial *trial, char *action)
{
	char *words[] = { batch->beside, action, (char *)trial->lane.name, NULL };
	int status;
	pid_t pid;

	if (!batch->beside)
		return;
	pid = start(trial);
	if (pid == 0) {
		if (chdir(trial->raw) != 0)
			give_up("go to", trial->raw);
		/* Standard output is the archive. */
		dup2(STDERR_FILENO, STDOUT_FILENO);
		lane_exec(&trial->lane, words);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			give_up("wait for", batch->beside);
	if (status) {
		fprintf(stderr, "lanes: '%s %s %s' failed\n", batch->beside, action, trial->lane.name);
		exit(EXIT_BROKEN);
	}
}

static void redirect(const char *path, int flags, int to)
{
	int fd = open(path, flags, 0644);

	if (fd < 0 || dup2(fd, to) < 0)
		give_up("open", path);
	close(fd);
}

static void be_the_client(const struct trial *trial, char **client)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir(trial->raw) != 0)
		give_up("go to", trial->raw);
	redirect("/dev/null", O_RDONLY, STDIN_FILENO);
	redirect("client.json", O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
	redirect("client.err", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
	lane_exec(&trial->lane, client);
}

static void begin(const struct batch *batch, struct trial *trial, unsigned int number)
{
	char entry[32];
	pid_t pid;

	snprintf(entry, sizeof(entry), "begun/%04u", number);
	archive_add_directory(entry);
	trial->number = number;
	trial->has_asked = false;
	/* Whoever writes it appends. */
	if (ftruncate(trial->verdicts, 0) != 0)
		give_up("empty the verdict log of", trial->lane.name);
	gather(batch, trial, "begin");
	trial->counters_before = read_counters(trial);
	trial->begun_s = now_s();
	pid = start(trial);
	if (pid == 0)
		be_the_client(trial, batch->client);
	trial->client = pid;
}

static void add_status(const char *directory, int status)
{
	char text[16];
	int length;

	/* As a shell has it. */
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	length = snprintf(text, sizeof(text), "%d\n", status);
	archive_add(directory, "client.status", text, (size_t)length);
}

static void finish(const struct batch *batch, struct trial *trial, int status)
{
	struct text counters = read_counters(trial);
	char directory[16], path[PATH_MAX];

	gather(batch, trial, "end");
	snprintf(directory, sizeof(directory), "%04u", trial->number);
	archive_add_all(directory, trial->raw);
	archive_add(directory, "stat.before", trial->counters_before.bytes, trial->counters_before.length);
	archive_add(directory, "stat.after", counters.bytes, counters.length);
	archive_add(directory, "dmesg", trial->kernel_log.bytes, trial->kernel_log.length);
	snprintf(path, sizeof(path), "/run/lab/%s/verdict.jsonl", trial->lane.name);
	archive_add_file(directory, path, "verdict.jsonl");
	archive_add_all(directory, "/run/lab/scenario/raw");
	add_status(directory, status);
	archive_add_directory(directory);
	forget(&counters);
	forget(&trial->counters_before);
	forget(&trial->kernel_log);
	trial->client = 0;
}

/* A line of the hook's is the lane's that the packet comes from; any other is everyone's. */
static void take_kernel_log(int fd, struct trial *trials, unsigned int lanes)
{
	char line[8192];
	unsigned int i;

	while (kernel_log_read(fd, line, sizeof(line))) {
		bool is_hooks = strstr(line, "[nfqdns] ") && strstr(line, "->");

		for (i = 0; i < lanes; i++)
			if (trials[i].client && (!is_hooks || lanes == 1 || strstr(line, trials[i].address)))
				append(&trials[i].kernel_log, line, strlen(line));
	}
}

/* Its queries have come back from the verdict program, or it has had its time for that. */
static bool has_asked(const struct trial *trial)
{
	struct stat verdicts;

	return (fstat(trial->verdicts, &verdicts) == 0 && verdicts.st_size > 0) ||
	       now_s() - trial->begun_s > ASKS_WITHIN_S;
}

static unsigned int count_asking(struct trial *trials, unsigned int lanes)
{
	unsigned int i, asking = 0;

	for (i = 0; i < lanes; i++) {
		struct trial *trial = &trials[i];

		if (!trial->client)
			continue;
		trial->has_asked = trial->has_asked || has_asked(trial);
		asking += !trial->has_asked;
	}
	return asking;
}

/* NULL when all are taken, or as many as may be: after the limit was lowered, more may still be at work. */
static struct trial *free_lane(struct trial *trials, unsigned int lanes, unsigned int limit)
{
	struct trial *found = NULL;
	unsigned int i, taken = 0;

	for (i = 0; i < lanes; i++) {
		if (trials[i].client)
			taken++;
		else if (!found)
			found = &trials[i];
	}
	return taken < limit ? found : NULL;
}

static unsigned int limited(const struct batch *batch)
{
	FILE *file = batch->limit ? fopen(batch->limit, "re") : NULL;
	unsigned int limit;
	bool is_number;

	if (!file)
		return batch->lanes;
	is_number = fscanf(file, "%u", &limit) == 1;
	fclose(file);
	return is_number && limit > 0 && limit < batch->lanes ? limit : batch->lanes;
}

/* Takes those clients that have ended; their lanes are free again. */
static unsigned int take_ended(const struct batch *batch, struct trial *trials, int log)
{
	unsigned int i, ended = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < batch->lanes; i++)
			if (trials[i].client == pid) {
				/* Its last queries may have come since, while another was finished. */
				take_kernel_log(log, trials, batch->lanes);
				finish(batch, &trials[i], status);
				ended++;
			}
	return ended;
}

static int open_signals(void)
{
	sigset_t child;
	int fd;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		give_up("receive", "signals");
	return fd;
}

int trials_make(const struct batch *batch)
{
	const unsigned int last = batch->first + batch->count - 1;
	const long processors = sysconf(_SC_NPROCESSORS_ONLN);
	/* One more than there are processors, so that none waits while a client waits for the disk or the server. */
	const unsigned int most_asking = processors > 0 ? (unsigned int)processors + 1 : 2;
	unsigned int next = batch->first, ended = 0, i;
	struct trial *trials = calloc(batch->lanes, sizeof(*trials));
	const int log = kernel_log_open(), signals = open_signals();
	struct pollfd ready[] = { { .fd = log, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
	struct signalfd_siginfo info;

	if (!trials)
		give_up("keep", "the trials");
	for (i = 0; i < batch->lanes; i++)
		open_lane(&trials[i], i);
	while (ended < batch->count) {
		struct trial *trial = NULL;

		if (next <= last && count_asking(trials, batch->lanes) < most_asking)
			trial = free_lane(trials, batch->lanes, limited(batch));
		if (trial) {
			/* What was logged until now is not its own. */
			take_kernel_log(log, trials, batch->lanes);
			begin(batch, trial, next++);
		}
		poll(ready, 2, next <= last ? LOOK_MS : -1);
		while (read(signals, &info, sizeof(info)) > 0)
			;
		take_kernel_log(log, trials, batch->lanes);
		ended += take_ended(batch, trials, log);
	}
	archive_end();
	free(trials);
	return EXIT_SUCCESS;
}
