// SPDX-License-Identifier: GPL-2.0
/* lanes - sets up the lanes of the test network, and runs trials in them in parallel */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "each.h"
#include "network.h"
#include "queue.h"
#include "trials.h"

static const char help[] =
"Usage: lanes up --first N --lanes N ADDRESS/BITS   set up the lanes: address, route to the servers\n"
"       lanes each --lanes N [--input FILE] COMMAND...    run a command in each lane\n"
"       lanes serve [--first N] --lanes N --queue N PROGRAM...\n"
"                                                   start the verdict program; wait until it listens in each lane\n"
"       lanes clear PREFIX                          end every process in namespaces with this prefix\n"
"       lanes trials --lanes N --first N --count N [--limit FILE] [--beside PROGRAM] [--behind SUFFIX]\n"
"                    [--bound SECONDS [--timed NAME]] CLIENT...\n"
"                                                   run trials in parallel; print raw files as a tar archive\n"
"\n"
"Lanes are the network namespaces lab-lane0 and following, each with a directory /run/lab/lab-laneN. In the command\n"
"of \"each\", {lane} is the lane's name. With --limit, the file contains the maximum number of lanes, and may change at\n"
"any time.\n"
"With --beside, the program is run as \"PROGRAM begin LANE\" before each client and as \"PROGRAM end LANE\" after it.\n"
"With --behind, clients run in the namespaces lab-laneNSUFFIX, behind the lanes.\n"
"With --bound, a client is ended after so many seconds (exit status 124); with --timed, the whole program is timed under\n"
"this name, instead of the timings that it prints.\n"
"\n"
"  lanes each --lanes 4 ip link show lane\n"
"  lanes trials --lanes 32 --first 1 --count 100 curl http://www.lab.test/\n";

struct options {
	struct batch batch;
	const char *input;
	unsigned int queue;
};

static void refuse(const char *why, const char *which)
{
	fprintf(stderr, "lanes: %s%s: see --help\n", why, which);
	exit(EXIT_USAGE);
}

static unsigned int number(const char *text, unsigned int least, unsigned int most)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < (long)least || value > (long)most)
		refuse("not a number in its range: ", text);
	return (unsigned int)value;
}

static char **parse(int argc, char **argv, struct options *options)
{
	enum { LANES = 256, FIRST, COUNT, LIMIT, BESIDE, BEHIND, BOUND, TIMED, INPUT, QUEUE };
	static const struct option known[] = {
		{ "lanes", required_argument, NULL, LANES },
		{ "first", required_argument, NULL, FIRST },
		{ "count", required_argument, NULL, COUNT },
		{ "limit", required_argument, NULL, LIMIT },
		{ "beside", required_argument, NULL, BESIDE },
		{ "behind", required_argument, NULL, BEHIND },
		{ "bound", required_argument, NULL, BOUND },
		{ "timed", required_argument, NULL, TIMED },
		{ "input", required_argument, NULL, INPUT },
		{ "queue", required_argument, NULL, QUEUE },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	/* Stop at the first operand: the command's own options follow. */
	while ((option = getopt_long(argc, argv, "+h", known, NULL)) != -1) {
		switch (option) {
		case LANES:
			options->batch.lanes = number(optarg, 1, MOST_LANES);
			break;
		case FIRST:
			options->batch.first = number(optarg, 0, 1000000);
			break;
		case COUNT:
			options->batch.count = number(optarg, 1, 1000000);
			break;
		case LIMIT:
			options->batch.limit = optarg;
			break;
		case BESIDE:
			options->batch.beside = optarg;
			break;
		case BEHIND:
			options->batch.behind = optarg;
			break;
		case BOUND:
			options->batch.bound_s = number(optarg, 1, 86400);
			break;
		case TIMED:
			options->batch.timed = optarg;
			break;
		case INPUT:
			options->input = optarg;
			break;
		case QUEUE:
			options->queue = number(optarg, 0, 65535);
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_USAGE);
		}
	}
	return argv + optind;
}

int main(int argc, char **argv)
{
	struct options options = { .batch = { .count = 1 } };
	const bool has_action = argc > 1 && argv[1][0] != '-';
	const char *action = has_action ? argv[1] : "";
	char **operands = parse(argc - has_action, argv + has_action, &options);

	if (!operands[0])
		refuse("nothing to do: ", action);
	if (!strcmp(action, "clear"))
		return each_clear(operands[0]);
	if (!options.batch.lanes)
		refuse("missing option: ", "--lanes");
	if (options.batch.timed && !options.batch.bound_s)
		refuse("missing option: ", "--bound");
	options.batch.client = operands;
	if (!strcmp(action, "up"))
		return network_up(options.batch.first, options.batch.lanes, operands[0]);
	if (!strcmp(action, "each"))
		return each_run(options.batch.lanes, options.input, operands);
	if (!strcmp(action, "serve"))
		return queue_serve(options.batch.first, options.batch.lanes, options.queue, operands);
	if (!strcmp(action, "trials"))
		return trials_make(&options.batch);
	refuse("no such action: ", action);
}
