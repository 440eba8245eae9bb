#ifndef STANDIN_NF_CONNTRACK_H
#define STANDIN_NF_CONNTRACK_H
#include <linux/skbuff.h>
enum ip_conntrack_info { IP_CT_NEW = 2 };
struct nf_conn;
struct nf_conn *nf_ct_get(const struct sk_buff *skb, enum ip_conntrack_info *ctinfo);
#endif
