#ifndef STANDIN_NETFILTER_IPV4_H
#define STANDIN_NETFILTER_IPV4_H
#include <limits.h>
enum { NF_IP_PRI_FIRST = INT_MIN };
#endif
