#pragma once

struct sk_buff;

struct nf_queue_entry {
	void *list[2];
	struct sk_buff *skb;
};
