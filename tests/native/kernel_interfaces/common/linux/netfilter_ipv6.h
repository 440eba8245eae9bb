#ifndef STANDIN_NETFILTER_IPV6_H
#define STANDIN_NETFILTER_IPV6_H
#include <limits.h>
enum { NF_IP6_PRI_FIRST = INT_MIN };
#endif
