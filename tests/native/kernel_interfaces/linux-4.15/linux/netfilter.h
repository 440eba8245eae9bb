#include <netfilter-verdicts.h>
struct nf_hook_ops;
struct nf_hook_state {
	unsigned int hook;
};
typedef unsigned int nf_hookfn(void *priv, struct sk_buff *skb, const struct nf_hook_state *state);
struct nf_hook_ops {
	nf_hookfn *hook;
	struct net_device *dev;
	void *priv;
	unsigned char pf;
	unsigned int hooknum;
	int priority;
};
int nf_register_net_hooks(struct net *net, const struct nf_hook_ops *reg, unsigned int n);
void nf_unregister_net_hooks(struct net *net, const struct nf_hook_ops *reg, unsigned int n);
