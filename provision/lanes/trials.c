// SPDX-License-Identifier: GPL-2.0
/*
 * Runs trials in parallel. A trial spends most of its time waiting for a lost query, so many can wait at once. Before,
 * it needs the processor, and its two queries must follow each other closely to arm the race: so only a few trials are
 * in that phase at once, regardless of the number of lanes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "archive.h"
#include "client.h"
#include "kernel_log.h"
#include "trials.h"

/* Timeout for a client's queries: after it the client sends none, or none that the verdict program sees. */
static const double QUERIES_WITHIN_S = 1;

/* Interval between checks whether clients have sent their queries. */
enum { LOOK_MS = 10 };

/* The source in the hook's lines, such as " 10.10.73.89:" and " [fd00:10:10:49::89]:". */
enum { MOST_ADDRESS = 32 };

struct text {
	char *bytes;
	size_t length;
};

struct trial {
	struct lane lane;
	/* Its network namespace, and that of the client: the same, or the one behind it. */
	int network;
	int client_network;
	char address[MOST_ADDRESS];
	char ipv6_address[MOST_ADDRESS];
	char raw[PATH_MAX];
	/* The lane's conntrack counters, and the verdict program's log. */
	int counters;
	int verdicts;
	/* 0: the lane is free. */
	pid_t client;
	unsigned int number;
	double begun_s;
	bool has_queried;
	struct text counters_before;
	struct text kernel_log;
};

static void append(struct text *text, const char *bytes, size_t length)
{
	text->bytes = realloc(text->bytes, text->length + length + 1);
	if (!text->bytes)
		give_up("allocate memory for", "the raw files");
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

static void open_lane(const struct batch *batch, struct trial *trial, unsigned int number)
{
	struct in_addr address;

	memset(trial, 0, sizeof(*trial));
	trial->lane = lane_of(number);
	address = lane_address(&trial->lane);
	snprintf(trial->address, sizeof(trial->address), " 10.%u.%u.%u:", ntohl(address.s_addr) >> 16 & 0xff,
		 ntohl(address.s_addr) >> 8 & 0xff, ntohl(address.s_addr) & 0xff);
	/* As guest/shape.sh gives it to the lane. */
	snprintf(trial->ipv6_address, sizeof(trial->ipv6_address), " [fd00:10:10:%x::89]:", 10 + number);
	snprintf(trial->raw, sizeof(trial->raw), "/run/lab/%s/raw", trial->lane.name);
	if (mkdir(trial->raw, 0755) != 0 && errno != EEXIST)
		give_up("make", trial->raw);
	trial->verdicts = lane_open(&trial->lane, "verdict.jsonl", O_RDWR | O_CREAT);
	trial->network = lane_network(&trial->lane, "");
	trial->client_network = batch->behind ? lane_network(&trial->lane, batch->behind) : trial->network;
	lane_enter_network(&trial->lane);
	trial->counters = open("/proc/net/stat/nf_conntrack", O_RDONLY | O_CLOEXEC);
	if (trial->counters < 0)
		give_up("open the counters of", trial->lane.name);
}

/* Starts a process in a network namespace of a lane; returns 0 in that process. */
static pid_t start(const struct trial *trial, int network)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork for", trial->lane.name);
	if (pid == 0 && setns(network, CLONE_NEWNET) != 0)
		give_up("enter", trial->lane.name);
	return pid;
}

/* Runs the program that gathers evidence, in the lane and the directory of the raw files, and waits for its end. */
static void gather(const struct batch *batch, const struct trial *trial, char *action)
{
	char *words[] = { batch->beside, action, (char *)trial->lane.name, NULL };
	int status;
	pid_t pid;

	if (!batch->beside)
		return;
	pid = start(trial, trial->network);
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

static void run_client(const struct trial *trial, const struct batch *batch)
{
	if (chdir(trial->raw) != 0)
		give_up("go to", trial->raw);
	redirect("/dev/null", O_RDONLY, STDIN_FILENO);
	redirect("client.json", O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
	redirect("client.err", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
	if (batch->bound_s)
		exit(client_watch(batch->client, batch->bound_s, batch->timed));
	client_exec(batch->client);
}

static void begin(const struct batch *batch, struct trial *trial, unsigned int number)
{
	char entry[32];
	pid_t pid;

	snprintf(entry, sizeof(entry), "begun/%04u", number);
	archive_add_directory(entry);
	trial->number = number;
	trial->has_queried = false;
	/* The writer appends. */
	if (ftruncate(trial->verdicts, 0) != 0)
		give_up("empty the verdict log of", trial->lane.name);
	gather(batch, trial, "begin");
	trial->counters_before = read_counters(trial);
	trial->begun_s = now_s();
	pid = start(trial, trial->client_network);
	if (pid == 0)
		run_client(trial, batch);
	trial->client = pid;
}

static void add_status(const char *directory, int status)
{
	char text[16];
	int length;

	/* As in a shell. */
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
	/* At once: a batch that dies keeps the trials that have ended. */
	archive_write();
	forget(&counters);
	forget(&trial->counters_before);
	forget(&trial->kernel_log);
	trial->client = 0;
}

/* A line of the hook is added to the lane of the packet's source address; other lines to all lanes. */
static void take_kernel_log(int fd, struct trial *trials, unsigned int lanes)
{
	char line[8192];
	unsigned int i;

	while (kernel_log_read(fd, line, sizeof(line))) {
		bool is_hooks = strstr(line, "[nfqdns] ") && strstr(line, "->");

		for (i = 0; i < lanes; i++)
			if (trials[i].client && (!is_hooks || lanes == 1 || strstr(line, trials[i].address) ||
						 strstr(line, trials[i].ipv6_address)))
				append(&trials[i].kernel_log, line, strlen(line));
	}
}

/* Whether its queries were released by the verdict program, or the timeout is over. */
static bool has_queried(const struct trial *trial)
{
	struct stat verdicts;

	return (fstat(trial->verdicts, &verdicts) == 0 && verdicts.st_size > 0) ||
	       now_s() - trial->begun_s > QUERIES_WITHIN_S;
}

static unsigned int count_querying(struct trial *trials, unsigned int lanes)
{
	unsigned int i, querying = 0;

	for (i = 0; i < lanes; i++) {
		struct trial *trial = &trials[i];

		if (!trial->client)
			continue;
		trial->has_queried = trial->has_queried || has_queried(trial);
		querying += !trial->has_queried;
	}
	return querying;
}

/* Returns a free lane; NULL if none is free, or the limit is reached (after it was lowered, more may be busy). */
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

/* Finishes the trials whose clients have ended. */
static unsigned int take_ended(const struct batch *batch, struct trial *trials, int log)
{
	unsigned int i, ended = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < batch->lanes; i++)
			if (trials[i].client == pid) {
				/* Its last queries may have been logged while another trial was finished. */
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
	/* One more than the processors, to keep them busy while a client waits for the disk or the server. */
	const unsigned int most_querying = processors > 0 ? (unsigned int)processors + 1 : 2;
	unsigned int next = batch->first, ended = 0, i;
	struct trial *trials = calloc(batch->lanes, sizeof(*trials));
	const int log = kernel_log_open(), signals = open_signals();
	struct pollfd ready[] = { { .fd = log, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
	struct signalfd_siginfo info;

	if (!trials)
		give_up("allocate memory for", "the trials");
	for (i = 0; i < batch->lanes; i++)
		open_lane(batch, &trials[i], i);
	/* The lanes of a scenario have one configuration, and so one mount namespace. */
	lane_enter(&trials[0].lane);
	while (ended < batch->count) {
		struct trial *trial = NULL;

		if (next <= last && count_querying(trials, batch->lanes) < most_querying)
			trial = free_lane(trials, batch->lanes, limited(batch));
		if (trial) {
			/* Lines logged until now do not belong to it. */
			take_kernel_log(log, trials, batch->lanes);
			begin(batch, trial, next++);
		}
		archive_write();
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
