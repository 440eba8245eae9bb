#ifndef STANDIN_IP_H
#define STANDIN_IP_H
#include <linux/kernel.h>
struct iphdr {
	__u8 ihl : 4, version : 4, tos;
	__be16 tot_len, id, frag_off;
	__u8 ttl, protocol;
	__be16 check;
	__be32 saddr, daddr;
};
#endif
