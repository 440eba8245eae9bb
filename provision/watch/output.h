/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events on standard output, one a line: words separated by spaces, a letter or
 * a word for the kind first. Texts are in hexadecimal, "-" for an empty one.
 */
#ifndef WATCH_OUTPUT_H
#define WATCH_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

/* Adds formatted text to the line. */
void output_put(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Adds a space and a number that is not negative; much faster than by a format. */
void output_put_number(int64_t number);

/* Adds a space and bytes in hexadecimal. */
void output_put_bytes(const void *bytes, size_t length);

void output_put_text(const char *text);

void output_end_line(void);

/* Writes what is buffered; ends the program when no one reads it. */
void output_flush(void);

#endif
