// SPDX-License-Identifier: GPL-2.0
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct timespec now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time;
}

/*
 * Writes whole lines in one call, so that lines of programs that share a file
 * do not mix. Verdicts are sent only after the lines are written.
 */
void write_log(struct log *log)
{
	size_t done = 0;

	if (log->is_cut && write(log->file, "\n", 1) == 1)
		log->is_cut = false;
	while (done < log->length) {
		ssize_t written = write(log->file, log->text + done, log->length - done);

		if (written > 0) {
			done += (size_t)written;
			/* A line truncated by a full disk is ended before the next one. */
			log->is_cut = log->text[done - 1] != '\n';
		} else if (written == 0 || errno != EINTR) {
			break;
		}
	}
	/* Continue with verdicts: a full disk must not stop packets. */
	if (done < log->length && !log->is_broken) {
		log->is_broken = true;
		fprintf(stderr, "user.out: the log cannot be written: %s\n", strerror(errno));
	}
	log->length = 0;
}

/* Returns the buffer for the next line. */
static char *new_line(struct log *log)
{
	if (log->length + LINE_BYTES > LOG_BYTES)
		write_log(log);
	return log->text + log->length;
}

void log_start(struct log *log, unsigned int queue, unsigned int hold_packets, unsigned int hold_ms)
{
	struct timespec realtime = now(CLOCK_REALTIME);
	struct timespec monotonic = now(CLOCK_MONOTONIC);

	log->length += (size_t)snprintf(new_line(log), LINE_BYTES,
		"{\"event\":\"start\",\"queue\":%u,\"pid\":%ld,\"hold_packets\":%u,\"hold_ms\":%u,"
		"\"realtime_s\":%lld.%09ld,\"monotonic_s\":%lld.%09ld}\n",
		queue, (long)getpid(), hold_packets, hold_ms,
		(long long)realtime.tv_sec, realtime.tv_nsec,
		(long long)monotonic.tv_sec, monotonic.tv_nsec);
}

void log_end(struct log *log, unsigned long packets, unsigned long overruns, const char *reason)
{
	log->length += (size_t)snprintf(new_line(log), LINE_BYTES,
		"{\"event\":\"end\",\"packets\":%lu,\"overruns\":%lu,\"reason\":\"%s\"}\n",
		packets, overruns, reason);
}

void log_died(struct log *log, unsigned long packets, unsigned int waiting)
{
	log->length += (size_t)snprintf(new_line(log), LINE_BYTES,
		"{\"event\":\"died\",\"packets\":%lu,\"waiting\":%u}\n", packets, waiting);
}

void log_error(struct log *log, const struct packet *packet, int error)
{
	log->length += (size_t)snprintf(new_line(log), LINE_BYTES,
		"{\"event\":\"error\",\"id\":%u,\"message\":\"verdict not sent: %s\"}\n",
		packet->id, strerror(error));
}

/*
 * A packet's line is formatted by hand: snprintf() would take longer than all
 * other work per packet. Each of these functions returns the end of the text.
 */
static char *put_text(char *at, const char *text)
{
	size_t length = strlen(text);

	memcpy(at, text, length);
	return at + length;
}

static char *put_digits(char *at, unsigned long number, unsigned int digits)
{
	unsigned int i;

	for (i = digits; i > 0; i--) {
		at[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
	return at + digits;
}

static char *put_number(char *at, unsigned long number)
{
	unsigned int digits = 1;
	unsigned long rest;

	for (rest = number / 10; rest > 0; rest /= 10)
		digits++;
	return put_digits(at, number, digits);
}

static char *put_number_or_null(char *at, bool is_known, unsigned long number)
{
	return is_known ? put_number(at, number) : put_text(at, "null");
}

static char *put_time(char *at, struct timespec time)
{
	at = put_number(at, (unsigned long)time.tv_sec);
	*at++ = '.';
	return put_digits(at, (unsigned long)time.tv_nsec, 9);
}

/* An IPv6 address in full: eight groups in hexadecimal, which every parser reads. */
static char *put_ipv6_address(char *at, const unsigned char *address)
{
	static const char digits[] = "0123456789abcdef";
	unsigned int i;

	*at++ = '"';
	for (i = 0; i < 16; i++) {
		*at++ = digits[address[i] >> 4];
		*at++ = digits[address[i] & 0xf];
		if (i % 2)
			*at++ = i < 15 ? ':' : '"';
	}
	return at;
}

static char *put_address(char *at, const struct query *query, const unsigned char *address)
{
	unsigned int i;

	if (query->is_ipv6)
		return put_ipv6_address(at, address);
	*at++ = '"';
	for (i = 0; i < 4; i++) {
		at = put_number(at, address[i]);
		*at++ = i < 3 ? '.' : '"';
	}
	return at;
}

static char *put_addresses(char *at, const struct query *query)
{
	if (!query->has_addresses)
		return put_text(at, "\"src\":null,\"sport\":null,\"dst\":null,\"dport\":null");
	at = put_address(put_text(at, "\"src\":"), query, query->src);
	at = put_number(put_text(at, ",\"sport\":"), query->sport);
	at = put_address(put_text(at, ",\"dst\":"), query, query->dst);
	return put_number(put_text(at, ",\"dport\":"), query->dport);
}

static char *put_type(char *at, const struct query *query)
{
	if (!query->has_type)
		return put_text(at, "null");
	if (query->type == 1)	/* RFC 1035, 3.2.2 */
		return put_text(at, "\"A\"");
	if (query->type == 28)	/* RFC 3596, 2.1 */
		return put_text(at, "\"AAAA\"");
	at = put_number(put_text(at, "\"TYPE"), query->type);
	return put_text(at, "\"");
}

void log_packet(struct log *log, const struct packet *packet, struct timespec released, const char *verdict)
{
	const struct query *query = &packet->query;
	const struct conntrack *conntrack = &packet->conntrack;
	char *at = new_line(log);

	at = put_number(put_text(at, "{\"event\":\"packet\",\"id\":"), packet->id);
	at = put_addresses(put_text(at, ","), query);
	at = put_number_or_null(put_text(at, ",\"dns_id\":"), query->has_id, query->id);
	at = put_type(put_text(at, ",\"type\":"), query);
	at = put_number_or_null(put_text(at, ",\"ct_id\":"), conntrack->is_known, conntrack->id);
	at = put_text(at, ",\"confirmed\":");
	at = put_text(at, !conntrack->is_known ? "null" : conntrack->is_confirmed ? "true" : "false");
	if (packet->conntracks)
		at = put_number(put_text(at, ",\"conntracks\":"), packet->conntracks);
	at = put_time(put_text(at, ",\"queued_s\":"), packet->queued);
	at = put_time(put_text(at, ",\"released_s\":"), released);
	at = put_text(put_text(at, ",\"verdict\":\""), verdict);
	at = put_text(at, "\"}\n");
	log->length = (size_t)(at - log->text);
}
