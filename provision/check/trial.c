// SPDX-License-Identifier: GPL-2.0
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lanes/archive.h"
#include "capture.h"
#include "check.h"
#include "network.h"
#include "process.h"
#include "queue.h"
#include "server.h"

/* musl's resolver gives up after twice its timeout of 5 s. */
enum { CLIENT_BOUND_S = 11 };

/* timeout(1)'s exit status after a timeout. */
enum { EXIT_GIVEN_UP = 124 };

#define COUNTERS "/proc/net/stat/nf_conntrack"

/* provision/clients/lookup.c with musl's resolver: the program lookup-musl as a function. */
int lookup_main(int argc, char **argv);

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		give_up("write", path);
	close(fd);
}

static void copy_file(const char *from, const char *to)
{
	char text[65536];
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	/* A kernel without these counters has no such file; the trial runs without them. */
	if (fd < 0)
		return;
	while (length < sizeof(text) - 1 && (got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	text[length] = '\0';
	close(fd);
	write_file(to, text);
}

/* The same format as provision/trace/clocks.c. */
static void write_clocks(const char *path)
{
	const struct timespec before = now(CLOCK_MONOTONIC);
	const struct timespec realtime = now(CLOCK_REALTIME);
	const struct timespec after = now(CLOCK_MONOTONIC);
	const double within = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	char text[160];

	snprintf(text, sizeof(text), "{\"realtime_s\": %lld.%09ld, \"monotonic_s\": %lld.%09ld, \"within_s\": %.9f}\n",
		 (long long)realtime.tv_sec, realtime.tv_nsec, (long long)before.tv_sec, before.tv_nsec, within);
	write_file(path, text);
}

/*
 * Creates private namespaces: network, and mounts, in which a tmpfs replaces
 * /etc. Other processes do not see them, and the kernel removes them when the
 * last of their processes ends.
 */
static void enter_namespaces(const char *nameserver)
{
	char resolv_conf[64];

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		give_up("make", "namespaces");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", FILES, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=16m") < 0)
		give_up("mount a tmpfs on", FILES);
	snprintf(resolv_conf, sizeof(resolv_conf), "nameserver %s\n", nameserver);
	write_file(FILES "/resolv.conf", resolv_conf);
}

static pid_t start_server(void)
{
	int apart[2], connected[2];
	char byte;
	pid_t pid;

	if (pipe2(apart, O_CLOEXEC) < 0 || pipe2(connected, O_CLOEXEC) < 0)
		give_up("make", "a pipe");
	pid = process_fork();
	if (pid == 0) {
		close(connected[1]);
		if (unshare(CLONE_NEWNET) < 0)
			give_up("make", "a namespace");
		if (write(apart[1], "A", 1) != 1 || read(connected[0], &byte, 1) != 1)
			give_up("connect", "the server");
		server_run(apart[1]);
	}
	close(apart[1]);
	if (read(apart[0], &byte, 1) != 1)
		give_up("start", "the server");
	network_connect(pid);
	network_begin(CLIENT_LINK, CLIENT_ADDRESS);
	if (write(connected[1], "C", 1) != 1 || read(apart[0], &byte, 1) != 1)
		give_up("start", "the server");
	network_await(CLIENT_LINK);
	return pid;
}

static pid_t start_client(void)
{
	static char program[] = "lookup-musl", name[] = NAME;
	char *arguments[] = { program, name, NULL };
	pid_t pid = process_fork();

	if (pid)
		return pid;
	if (!freopen(FILES "/client.json", "w", stdout) || !freopen(FILES "/client.err", "w", stderr))
		_exit(EXIT_BROKEN);
	/* getopt has already parsed this program's own options. */
	optind = 1;
	exit(lookup_main(2, arguments));
}

/* Serves queue and capture until the client has ended and its packets are captured; returns its exit status. */
static int attend(struct queue *queue, const struct capture *capture, int children, pid_t client)
{
	const struct timespec begun = now(CLOCK_MONOTONIC);
	struct pollfd sources[] = {
		{ .fd = queue->socket, .events = POLLIN },
		{ .fd = capture->socket, .events = POLLIN },
		{ .fd = children, .events = POLLIN },
	};
	int status;

	for (;;) {
		int left_ms = queue_time_left_ms(queue);

		if (poll(sources, 3, left_ms < 0 ? 1000 : left_ms) < 0 && errno != EINTR)
			give_up("wait for", "packets");
		queue_serve(queue);
		if (waitpid(client, &status, WNOHANG) == client) {
			capture_write(capture);
			return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_GIVEN_UP;
		}
		capture_write(capture);
		if (now(CLOCK_MONOTONIC).tv_sec - begun.tv_sec > CLIENT_BOUND_S) {
			kill(client, SIGKILL);
			waitpid(client, NULL, 0);
			return EXIT_GIVEN_UP;
		}
	}
}

static int watch_children(void)
{
	sigset_t children;
	int fd;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		give_up("watch", "the client");
	return fd;
}

static void send_files(unsigned int number)
{
	char directory[16];

	snprintf(directory, sizeof(directory), "%04u", number);
	archive_add_all(directory, FILES);
	archive_add_directory(directory);
	archive_write();
}

void trial_run(const struct plan *plan, unsigned int number)
{
	static struct queue queue;
	struct capture capture;
	char status[16];
	pid_t server;
	int children;

	enter_namespaces(plan->behind_dnat ? MAPPED_ADDRESS : SERVER_ADDRESS);
	server = start_server();
	queue.looks_again = number > plan->trials - plan->again;
	if (plan->behind_dnat)
		plan->rules->map_apart();
	plan->rules->queue();
	queue_open(&queue, FILES "/verdict.jsonl", FILES "/again.jsonl");
	capture = capture_begin(CLIENT_LINK, FILES "/client.pcap");
	copy_file(COUNTERS, FILES "/stat.before");
	write_clocks(FILES "/clocks.before");
	children = watch_children();
	snprintf(status, sizeof(status), "%d\n", attend(&queue, &capture, children, start_client()));
	write_file(FILES "/client.status", status);
	write_clocks(FILES "/clocks.after");
	copy_file(COUNTERS, FILES "/stat.after");
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	send_files(number);
	exit(EXIT_SUCCESS);
}
