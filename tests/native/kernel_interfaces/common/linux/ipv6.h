#ifndef STANDIN_IPV6_H
#define STANDIN_IPV6_H
#include <linux/kernel.h>
struct in6_addr { __u8 bytes[16]; };
struct ipv6hdr {
	__u8 priority : 4, version : 4, flow_lbl[3];
	__be16 payload_len;
	__u8 nexthdr, hop_limit;
	struct in6_addr saddr, daddr;
};
#endif
