#ifndef STANDIN_KTIME_H
#define STANDIN_KTIME_H
#include <linux/kernel.h>
#define NSEC_PER_SEC 1000000000L
/* A structure until 4.10, a number since: what is done with it must hold for both. */
typedef union ktime { long long tv64; } ktime_t;
long long ktime_to_ns(ktime_t time);
#endif
