#ifndef STANDIN_SKBUFF_H
#define STANDIN_SKBUFF_H
struct sk_buff { unsigned int len; };
int skb_network_offset(const struct sk_buff *skb);
void *skb_header_pointer(const struct sk_buff *skb, int offset, int length, void *buffer);
#endif
