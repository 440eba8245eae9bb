// SPDX-License-Identifier: GPL-2.0
/* The hash is SipHash-2-4 (Aumasson, Bernstein: SipHash, 2012). */
#include "names.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "watch.h"

enum { LETTERS = 26 };

static uint64_t key[2];

void names_begin(void)
{
	const int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, key, sizeof(key)) != (ssize_t)sizeof(key))
		give_up("read", "/dev/urandom");
	close(fd);
}

static uint64_t rotate(uint64_t value, unsigned int bits)
{
	return value << bits | value >> (64 - bits);
}

static void mix(uint64_t *v, unsigned int rounds)
{
	while (rounds--) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

/* The length is a multiple of 8. */
static uint64_t hash(const uint8_t *bytes, size_t length)
{
	uint64_t v[] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
			 key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
	uint64_t word;
	size_t i;

	for (i = 0; i < length; i += 8) {
		memcpy(&word, bytes + i, 8);
		v[3] ^= word;
		mix(v, 2);
		v[0] ^= word;
	}
	word = (uint64_t)length << 56;
	v[3] ^= word;
	mix(v, 2);
	v[0] ^= word;
	v[2] ^= 0xff;
	mix(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void names_replace_label(uint8_t *label, size_t length)
{
	/* The label in lower case, its length, and the number of the part that is made. */
	uint8_t text[72] = { 0 };
	uint64_t value = 0;
	size_t i;

	if (length > LABEL_MAX)
		length = LABEL_MAX;
	for (i = 0; i < length; i++)
		text[i] = (uint8_t)tolower(label[i]);
	text[64] = (uint8_t)length;
	for (i = 0; i < length; i++) {
		if (i % 8 == 0) {
			text[65] = (uint8_t)(i / 8);
			value = hash(text, sizeof(text));
		}
		label[i] = (uint8_t)('a' + value % LETTERS);
		value /= LETTERS;
	}
}
