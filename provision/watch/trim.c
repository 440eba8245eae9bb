// SPDX-License-Identifier: GPL-2.0
#include "trim.h"

#include <string.h>

#include <netinet/in.h>

#include "names.h"

enum {
	DNS_HEADER = 12,
	TYPE_AND_CLASS = 4,
	NAME_MAX_BYTES = 255,
	UDP_HEADER = 8,
	TCP_HEADER = 20,
	ICMP_HEADER = 8,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
};

static uint16_t number(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static size_t least(size_t one, size_t other)
{
	return one < other ? one : other;
}

/* Returns the length of a DNS message's header and question; 0 if it has no whole question, as what is no DNS. */
static size_t question_end(uint8_t *message, size_t length, bool hides_names)
{
	size_t at = DNS_HEADER;

	if (length < DNS_HEADER || number(message + 4) != 1)
		return 0;
	while (at < length && message[at]) {
		if (message[at] > LABEL_MAX || at + 1 + message[at] >= length || at - DNS_HEADER >= NAME_MAX_BYTES)
			return 0;
		at += 1 + message[at];
	}
	if (at + 1 + TYPE_AND_CLASS > length)
		return 0;
	for (length = at + 1 + TYPE_AND_CLASS, at = DNS_HEADER; hides_names && message[at]; at += 1 + message[at])
		names_replace_label(message + at + 1, message[at]);
	return length;
}

static struct trimmed trim_udp(uint8_t *segment, size_t length, bool hides_names)
{
	struct trimmed trimmed = { .length = least(length, UDP_HEADER) };
	size_t end;

	if (length < UDP_HEADER)
		return trimmed;
	trimmed.source = number(segment);
	trimmed.destination = number(segment + 2);
	/* A header alone is an error without the question. */
	if (length == UDP_HEADER + DNS_HEADER && !number(segment + UDP_HEADER + 4))
		trimmed.length = length;
	end = question_end(segment + UDP_HEADER, length - UDP_HEADER, hides_names);
	if (end) {
		trimmed.has_question = true;
		trimmed.length = UDP_HEADER + end;
	}
	return trimmed;
}

/* Only a segment that begins with a message keeps more than its header. */
static struct trimmed trim_tcp(uint8_t *segment, size_t length, bool hides_names)
{
	struct trimmed trimmed = { .length = least(length, TCP_HEADER) };
	size_t header, end;

	if (length < TCP_HEADER)
		return trimmed;
	trimmed.source = number(segment);
	trimmed.destination = number(segment + 2);
	header = (size_t)(segment[12] >> 4) * 4;
	if (header < TCP_HEADER || header > length)
		return trimmed;
	trimmed.length = header;
	if (length < header + 2)
		return trimmed;
	end = question_end(segment + header + 2, length - header - 2, hides_names);
	if (end && end <= number(segment + header)) {
		trimmed.has_question = true;
		trimmed.length = header + 2 + end;
	}
	return trimmed;
}

static struct trimmed trim_payload(unsigned int protocol, uint8_t *payload, size_t length, bool hides_names)
{
	struct trimmed inner;

	if (protocol == IPPROTO_UDP)
		return trim_udp(payload, length, hides_names);
	if (protocol == IPPROTO_TCP)
		return trim_tcp(payload, length, hides_names);
	if ((protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6) || length < ICMP_HEADER)
		return (struct trimmed){ .length = 0 };
	/* An error quotes the packet that it is about. */
	inner = trim(payload + ICMP_HEADER, length - ICMP_HEADER, hides_names);
	return (struct trimmed){ .length = ICMP_HEADER + inner.length };
}

struct trimmed trim(uint8_t *packet, size_t length, bool hides_names)
{
	struct trimmed trimmed = { .length = 0 };
	unsigned int protocol;
	size_t header;

	if (length >= IPV4_HEADER && packet[0] >> 4 == 4) {
		header = (size_t)(packet[0] & 0xf) * 4;
		protocol = packet[9];
	} else if (length >= IPV6_HEADER && packet[0] >> 4 == 6) {
		header = IPV6_HEADER;
		protocol = packet[6];
	} else {
		return trimmed;
	}
	if (header < IPV4_HEADER || header > length)
		return trimmed;
	trimmed = trim_payload(protocol, packet + header, length - header, hides_names);
	if (trimmed.length)
		trimmed.length += header;
	return trimmed;
}
