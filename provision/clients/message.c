// SPDX-License-Identifier: GPL-2.0
/* DNS messages; all input from a server is bounds-checked. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "message.h"

enum {
	HEADER_BYTES = 12,
	CLASS_IN = 1,
	/* After a record's name: type, class, time to live, length of the data. */
	RECORD_BYTES = 10,
	POINTER = 0xc0,
};

static unsigned int read16(const unsigned char *bytes)
{
	return (unsigned int)bytes[0] << 8 | bytes[1];
}

static void write16(unsigned char *bytes, unsigned int value)
{
	bytes[0] = (unsigned char)(value >> 8);
	bytes[1] = (unsigned char)value;
}

void query_write(struct query *query, const char *name, unsigned int type, uint16_t id)
{
	unsigned char *bytes = query->bytes;
	size_t at = HEADER_BYTES;

	memset(query, 0, sizeof(*query));
	write16(bytes, id);
	bytes[2] = 1;	/* recursion is desired */
	write16(bytes + 4, 1);
	while (*name) {
		size_t label = strcspn(name, ".");

		bytes[at++] = (unsigned char)label;
		memcpy(bytes + at, name, label);
		at += label;
		name += label;
		if (*name == '.')
			name++;
	}
	at++;	/* the root's label, which is empty */
	write16(bytes + at, type);
	write16(bytes + at + 2, CLASS_IN);
	query->length = at + 4;
	query->type = type;
}

/* Compares case-insensitively: a server may change the case of the name. A label's length is never a letter. */
static bool is_same_question(const struct query *query, const unsigned char *message)
{
	size_t at;

	for (at = HEADER_BYTES; at < query->length; at++)
		if (tolower(query->bytes[at]) != tolower(message[at]))
			return false;
	return true;
}

static bool is_answer(const struct query *query, const unsigned char *message, size_t length)
{
	return length >= query->length &&
	       read16(message) == read16(query->bytes) &&
	       (message[2] & 0xf8) == 0x80 &&	/* a response, to a standard query */
	       read16(message + 4) == 1 &&
	       is_same_question(query, message);
}

/* Returns the offset after the name at "at"; greater than "length" if the name does not end within the message. */
static size_t skip_name(const unsigned char *message, size_t length, size_t at)
{
	while (at < length && message[at] != 0) {
		if ((message[at] & POINTER) == POINTER)
			return at + 2;	/* a pointer is the last of a name */
		if (message[at] & POINTER)
			return length + 1;
		at += (size_t)message[at] + 1;
	}
	return at + 1;
}

/* Parses the answer's records; false if they do not end within the message. */
static bool read_records(const struct query *query, const unsigned char *message, size_t length,
			 struct lookup *lookup)
{
	const int family = query->type == TYPE_A ? AF_INET : AF_INET6;
	const size_t address = query->type == TYPE_A ? 4 : 16;
	unsigned int left = read16(message + 6);
	size_t at = query->length;

	for (; left; left--) {
		const unsigned char *record;
		size_t data;

		at = skip_name(message, length, at);
		if (at > length || length - at < RECORD_BYTES)
			return false;
		record = message + at;
		data = read16(record + 8);
		at += RECORD_BYTES;
		if (length - at < data)
			return false;
		if (read16(record) == query->type && read16(record + 2) == CLASS_IN && data == address)
			lookup_add(lookup, family, message + at);
		at += data;
	}
	return true;
}

bool answer_read(const struct query *query, const unsigned char *message, size_t length, struct lookup *lookup)
{
	const unsigned int known = lookup->count;
	unsigned int rcode;

	if (!is_answer(query, message, length))
		return false;
	if (!read_records(query, message, length, lookup)) {
		lookup->count = known;
		return false;
	}
	rcode = message[3] & 0xf;
	if (rcode) {
		char why[64];

		snprintf(why, sizeof(why), "the server answered %s (RCODE %u)",
			 rcode == 2 ? "SERVFAIL" : rcode == 3 ? "NXDOMAIN" : rcode == 5 ? "REFUSED" : "error", rcode);
		lookup_failed(lookup, why);
	}
	return true;
}
