#ifndef STANDIN_SKBUFF_H
#define STANDIN_SKBUFF_H
#include <linux/version.h>
struct sk_buff {
	unsigned int len;
	unsigned char *data;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 11, 0)
	unsigned long _nfct;
#else
	struct nf_conntrack *nfct;
#endif
};
int skb_network_offset(const struct sk_buff *skb);
void *skb_header_pointer(const struct sk_buff *skb, int offset, int length, void *buffer);
#endif
