#ifndef STANDIN_NETFILTER_VERDICTS_H
#define STANDIN_NETFILTER_VERDICTS_H
#define NF_ACCEPT 1
#define NF_QUEUE 3
#define NF_VERDICT_FLAG_QUEUE_BYPASS 0x00008000
#define NF_QUEUE_NR(x) ((((x) << 16) & 0xffff0000) | NF_QUEUE)
enum { NFPROTO_IPV4 = 2, NFPROTO_IPV6 = 10 };
enum { NF_INET_POST_ROUTING = 4 };
struct sk_buff;
struct net_device;
struct module;
struct net;
struct list_head { struct list_head *next, *prev; };
#endif
