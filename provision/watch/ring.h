/* SPDX-License-Identifier: GPL-2.0 */
/* Pages of tracefs' ring buffers, as trace_pipe_raw has them (linux/ring_buffer.h). */
#ifndef WATCH_RING_H
#define WATCH_RING_H

#include <stddef.h>
#include <stdint.h>

/* An event's record, and its time by the clock of the buffer in nanoseconds. */
typedef void (*ring_taker)(void *context, const uint8_t *record, size_t length, uint64_t at);

/* Returns how many events were lost before those of a page, at least. */
unsigned int ring_count_lost(const uint8_t *page, size_t length);

/* Calls "take" for each event of a page. */
void ring_read_page(const uint8_t *page, size_t length, ring_taker take, void *context);

#endif
