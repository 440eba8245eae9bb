// SPDX-License-Identifier: GPL-2.0
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "watch.h"

/* A line is shorter than half of the buffer: the longest has the list of queues in hexadecimal, of 8 KB. */
static char buffer[65536];
static size_t filled;

void output_flush(void)
{
	size_t sent = 0;

	while (sent < filled) {
		const ssize_t put = write(STDOUT_FILENO, buffer + sent, filled - sent);

		if (put < 0 && errno != EINTR)
			exit(EXIT_BROKEN);
		sent += put > 0 ? (size_t)put : 0;
	}
	filled = 0;
}

void output_put(const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(buffer + filled, sizeof(buffer) - filled, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(buffer) - filled)
		give_up("print", "a line");
	filled += (size_t)length;
}

void output_put_number(int64_t number)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest = number < 0 ? 0 : (uint64_t)number;

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	digits[--at] = ' ';
	if (sizeof(digits) - at >= sizeof(buffer) - filled)
		give_up("print", "a line");
	memcpy(buffer + filled, digits + at, sizeof(digits) - at);
	filled += sizeof(digits) - at;
}

void output_put_bytes(const void *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;
	size_t i;

	if (2 * length + 2 >= sizeof(buffer) - filled)
		give_up("print", "a line");
	buffer[filled++] = ' ';
	if (!length)
		buffer[filled++] = '-';
	for (i = 0; i < length; i++) {
		buffer[filled++] = digits[from[i] >> 4];
		buffer[filled++] = digits[from[i] & 0xf];
	}
}

void output_put_text(const char *text)
{
	output_put_bytes(text, strlen(text));
}

void output_end_line(void)
{
	buffer[filled++] = '\n';
	if (filled > sizeof(buffer) / 2)
		output_flush();
}
