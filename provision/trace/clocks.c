// SPDX-License-Identifier: GPL-2.0
/*
 * clocks - reads all clocks that timestamp evidence
 *
 * strace and tcpdump use CLOCK_REALTIME, the hook and the verdict program
 * CLOCK_MONOTONIC, a kernel trace a clock that cannot be chosen on older
 * kernels. A mark before and after each trial aligns them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	EXIT_USAGE = 2,
	EXIT_BROKEN = 3,
};

static const char help[] =
"Usage: clocks [TRACE-MARKER]\n"
"Print one JSON object: \"realtime_s\" and \"monotonic_s\", read together, and\n"
"\"within_s\", how long reading them took: the maximum error between them.\n"
"With TRACE-MARKER (a trace_marker file of tracefs), also write a line to the\n"
"kernel trace, and print \"traced_s\", the time before it (CLOCK_MONOTONIC), and\n"
"\"traced_within_s\", how long it took.\n"
"\n"
"Examples:\n"
"  clocks\n"
"  clocks /sys/kernel/tracing/trace_marker\n"
"\n"
"Exit status: 0 success, 2 bad usage, 3 the marker cannot be written.\n";

static struct timespec now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time;
}

static double since(struct timespec start)
{
	struct timespec end = now(CLOCK_MONOTONIC);

	return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
}

static bool mark(const char *path)
{
	static const char text[] = "lab-mark\n";
	int marker = open(path, O_WRONLY | O_CLOEXEC);
	struct timespec start;

	if (marker < 0)
		return false;
	start = now(CLOCK_MONOTONIC);
	if (write(marker, text, sizeof(text) - 1) < 0)
		return false;
	printf(", \"traced_s\": %lld.%09ld, \"traced_within_s\": %.9f",
	       (long long)start.tv_sec, start.tv_nsec, since(start));
	return true;
}

int main(int argc, char **argv)
{
	struct timespec monotonic, realtime;
	bool well = true;
	double within;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fprintf(stderr, "clocks: at most one argument, a trace_marker file: see --help\n");
		return EXIT_USAGE;
	}
	monotonic = now(CLOCK_MONOTONIC);
	realtime = now(CLOCK_REALTIME);
	within = since(monotonic);
	printf("{\"realtime_s\": %lld.%09ld, \"monotonic_s\": %lld.%09ld, \"within_s\": %.9f",
	       (long long)realtime.tv_sec, realtime.tv_nsec,
	       (long long)monotonic.tv_sec, monotonic.tv_nsec, within);
	if (argc == 2 && !mark(argv[1])) {
		fprintf(stderr, "clocks: %s cannot be written: %s\n", argv[1], strerror(errno));
		well = false;
	}
	puts("}");
	return well ? 0 : EXIT_BROKEN;
}
