/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * As 3.10.0-123 exports it to user space: it uses address types, which the
 * including file has to declare. 3.10.0-1127 does not need that.
 */
#ifndef STUB_UAPI_LINUX_NETFILTER_H
#define STUB_UAPI_LINUX_NETFILTER_H

#include <linux/types.h>

#define NF_DROP 0
#define NF_ACCEPT 1
#define NF_STOLEN 2
#define NF_QUEUE 3
#define NF_REPEAT 4
#define NF_STOP 5

enum nf_inet_hooks {
	NF_INET_PRE_ROUTING,
	NF_INET_LOCAL_IN,
	NF_INET_FORWARD,
	NF_INET_LOCAL_OUT,
	NF_INET_POST_ROUTING,
	NF_INET_NUMHOOKS
};

enum {
	NFPROTO_UNSPEC = 0,
	NFPROTO_IPV4 = 2,
	NFPROTO_ARP = 3,
	NFPROTO_BRIDGE = 7,
	NFPROTO_IPV6 = 10,
};

union nf_inet_addr {
	__u32 all[4];
	__be32 ip;
	__be32 ip6[4];
	struct in_addr in;
	struct in6_addr in6;
};

#endif
