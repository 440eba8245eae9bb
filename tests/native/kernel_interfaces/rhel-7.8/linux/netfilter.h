#include <netfilter-verdicts.h>
struct nf_hook_ops;
struct nf_hook_state {
	unsigned int hook;
};
typedef unsigned int nf_hookfn(const struct nf_hook_ops *ops, struct sk_buff *skb, const struct net_device *in, const struct net_device *out, const struct nf_hook_state *state);
struct nf_hook_ops {
	struct list_head list;
	nf_hookfn *hook;
	struct module *owner;
	unsigned char pf;
	unsigned int hooknum;
	int priority;
};
int nf_register_hooks(struct nf_hook_ops *reg, unsigned int n);
void nf_unregister_hooks(struct nf_hook_ops *reg, unsigned int n);
