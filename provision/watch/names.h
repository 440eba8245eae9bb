/* SPDX-License-Identifier: GPL-2.0 */
/* Replaces names: equal labels by equal ones of the same length, by a key that ends with this process. */
#ifndef WATCH_NAMES_H
#define WATCH_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* Most bytes of a label (RFC 1035, 2.3.4). */
enum { LABEL_MAX = 63 };

/* Makes the key. Ends the program on error. */
void names_begin(void);

void names_replace_label(uint8_t *label, size_t length);

#endif
