/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_NETWORK_H
#define LAB_NETWORK_H

#include "lane.h"

/* Sets up lanes first..count-1: address, and a route to "servers" (ADDRESS/BITS). */
int network_up(unsigned int first, unsigned int count, const char *servers);

#endif
