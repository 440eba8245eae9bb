#ifndef STANDIN_UDP_H
#define STANDIN_UDP_H
#include <linux/kernel.h>
struct udphdr { __be16 source, dest, len, check; };
#endif
