// SPDX-License-Identifier: GPL-2.0
/* DNS messages: see message.h. */
#include "message.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER_BYTES = 12,
	FLAG_RESPONSE = 0x80,
	FLAG_RECURSION_DESIRED = 0x01,
	CLASS_IN = 1,
	/* Two bytes that say where the name is (RFC 1035, 4.1.4). */
	POINTER = 0xc0,
};

bool message_server(struct sockaddr_in *server)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	bool found = false;
	char line[256];
	char address[64];

	memset(server, 0, sizeof(*server));
	server->sin_family = AF_INET;
	server->sin_port = htons(53);
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "nameserver %63s", address) == 1 &&
			inet_pton(AF_INET, address, &server->sin_addr) == 1;
	if (file)
		fclose(file);
	return found;
}

/* Not getrandom(), which glibc has since 2.25 only. */
static bool random16(uint16_t *value)
{
	FILE *file = fopen("/dev/urandom", "re");
	bool well = file && fread(value, sizeof(*value), 1, file) == 1;

	if (file)
		fclose(file);
	return well;
}

static void put16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static unsigned int get16(const unsigned char *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

bool message_ask(struct question *question, const char *name, uint16_t type)
{
	unsigned char *at = question->bytes + HEADER_BYTES;

	/* With a dot behind the last label it is no longer on the wire. */
	if (strlen(name) > 253 || !random16(&question->id))
		return false;
	memset(question->bytes, 0, HEADER_BYTES);
	put16(question->bytes, question->id);
	question->bytes[2] = FLAG_RECURSION_DESIRED;
	put16(question->bytes + 4, 1);
	while (*name) {
		size_t label = strcspn(name, ".");

		if (label == 0 || label > 63)
			return false;
		*at++ = (unsigned char)label;
		memcpy(at, name, label);
		at += label;
		name += label;
		name += *name == '.';
	}
	*at++ = 0;
	put16(at, type);
	put16(at + 2, CLASS_IN);
	question->type = type;
	question->length = (size_t)(at + 4 - question->bytes);
	return true;
}

/* Where the name at "at" ends; "length" when it does not end. */
static size_t behind_name(const unsigned char *message, size_t length, size_t at)
{
	while (at < length && message[at]) {
		if ((message[at] & POINTER) == POINTER)
			return at + 2 < length ? at + 2 : length;
		at += (size_t)message[at] + 1;
	}
	return at < length ? at + 1 : length;
}

static void add_records(const struct question *question, const unsigned char *answer, size_t length,
			struct outcome *outcome)
{
	unsigned int records = get16(answer + 6);
	size_t at = question->length;

	while (records-- && (at = behind_name(answer, length, at)) + 10 <= length) {
		unsigned int type = get16(answer + at);
		size_t size = get16(answer + at + 8);

		at += 10;
		if (size > length - at)
			return;
		if (type == TYPE_A && size == 4)
			client_add(outcome, AF_INET, answer + at);
		else if (type == TYPE_AAAA && size == 16)
			client_add(outcome, AF_INET6, answer + at);
		at += size;
	}
}

bool message_read(const struct question *question, const unsigned char *answer, size_t length,
		  struct outcome *outcome)
{
	/* A server repeats the question as it was asked. */
	if (length < question->length || get16(answer) != question->id || !(answer[2] & FLAG_RESPONSE) ||
	    get16(answer + 4) != 1 ||
	    memcmp(answer + HEADER_BYTES, question->bytes + HEADER_BYTES, question->length - HEADER_BYTES))
		return false;
	add_records(question, answer, length, outcome);
	return true;
}
