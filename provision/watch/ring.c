// SPDX-License-Identifier: GPL-2.0
#include "ring.h"

#include <string.h>

/* kernel/trace/ring_buffer.c: a page begins with its time and its length, whose highest bits are flags. */
enum { TIME_BYTES = 8, PAGE_HEADER_BYTES = 16 };
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

/* Returns where the events of a page end; 0 for a page without a header. */
static size_t end_of(const uint8_t *page, size_t length, uint32_t *flags)
{
	size_t end;

	*flags = 0;
	if (length < PAGE_HEADER_BYTES)
		return 0;
	*flags = word_at(page + TIME_BYTES);
	end = PAGE_HEADER_BYTES + (*flags & LENGTH_MASK);
	return end < length ? end : length;
}

unsigned int ring_count_lost(const uint8_t *page, size_t length)
{
	uint32_t flags;
	const size_t end = end_of(page, length, &flags);
	uint64_t lost = 0;

	if (!(flags & MISSED_EVENTS))
		return 0;
	if (flags & MISSED_STORED && end + sizeof(lost) <= length)
		memcpy(&lost, page + end, sizeof(lost));
	if (lost > UINT32_MAX)
		lost = UINT32_MAX;
	return lost ? (unsigned int)lost : 1;
}

void ring_read_page(const uint8_t *page, size_t length, ring_taker take, void *context)
{
	uint32_t flags;
	const size_t end = end_of(page, length, &flags);
	size_t position = PAGE_HEADER_BYTES;
	uint64_t at;

	if (!end)
		return;
	memcpy(&at, page, sizeof(at));
	while (position + WORD <= end) {
		const uint32_t head = word_at(page + position);
		const uint32_t type = head & 0x1f, delta = head >> (32 - DELTA_BITS);
		const uint32_t behind = position + 2 * WORD <= end ? word_at(page + position + WORD) : 0;
		size_t skip = WORD, size;

		switch (type) {
		case TYPE_PADDING:
			/* The rest of the page is not used. */
			if (!delta)
				return;
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
}
