// SPDX-License-Identifier: GPL-2.0
#include "ring.h"

#include <string.h>

/* kernel/trace/ring_buffer.c: a page begins with its time and its length, whose highest bits are flags. */
enum { PAGE_HEADER_BYTES = 16 };
#define LENGTH_MASK 0xfffffu
#define MISSED_EVENTS (1u << 31)
#define MISSED_STORED (1u << 30)

/* enum ring_buffer_type, linux/ring_buffer.h; lower values are lengths in words. */
enum { TYPE_LENGTH_BEHIND = 0, TYPE_PADDING = 29, TYPE_EXTEND = 30, TYPE_STAMP = 31 };

enum { WORD = 4, DELTA_BITS = 27 };

static uint32_t word_at(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

unsigned int ring_read_page(const uint8_t *page, size_t length, ring_taker take, void *context)
{
	uint64_t at, missed = 0;
	size_t end, position = PAGE_HEADER_BYTES;
	uint32_t flags;

	if (length < PAGE_HEADER_BYTES)
		return 0;
	memcpy(&at, page, sizeof(at));
	flags = word_at(page + sizeof(at));
	end = PAGE_HEADER_BYTES + (flags & LENGTH_MASK);
	if (end > length)
		end = length;
	if (flags & MISSED_EVENTS) {
		missed = 1;
		if (flags & MISSED_STORED && end + sizeof(missed) <= length)
			memcpy(&missed, page + end, sizeof(missed));
	}
	while (position + WORD <= end) {
		const uint32_t head = word_at(page + position);
		const uint32_t type = head & 0x1f, delta = head >> (32 - DELTA_BITS);
		const uint32_t behind = position + 2 * WORD <= end ? word_at(page + position + WORD) : 0;
		size_t skip = WORD, size;

		switch (type) {
		case TYPE_PADDING:
			/* The rest of the page is not used. */
			if (!delta)
				return (unsigned int)missed;
			at += delta;
			size = behind;
			break;
		case TYPE_EXTEND:
			at += ((uint64_t)behind << DELTA_BITS) + delta;
			size = WORD;
			break;
		case TYPE_STAMP:
			at = ((uint64_t)behind << DELTA_BITS) + delta;
			size = WORD;
			break;
		case TYPE_LENGTH_BEHIND:
			at += delta;
			skip = 2 * WORD;
			size = behind - WORD;
			break;
		default:
			at += delta;
			size = type * WORD;
		}
		/* A damaged page. */
		if (size > end - position || skip + size > end - position)
			break;
		if (type < TYPE_PADDING)
			take(context, page + position + skip, size, at);
		position += skip + size;
	}
	return (unsigned int)missed;
}
