/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the kernels that nfqdns.c supports: 3.10.0 of RHEL 7.0
 * to 7.9, and upstream from 4.4 on.
 */
#ifndef NFQDNS_COMPAT_H
#define NFQDNS_COMPAT_H

#include <linux/compiler.h>
#include <linux/version.h>

/*
 * The hook function.
 *
 * RHEL 7.3 changed the last parameter, but shows the old prototype to
 * genksyms, so a module with the wrong one loads without an error. Hence the
 * Makefile checks the headers, and defines NFQDNS_HOOK_STATE.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 4, 0)
#define NFQDNS_HOOK(name)						\
	unsigned int name(void *priv, struct sk_buff *skb,		\
			  const struct nf_hook_state *state)
#elif defined(NFQDNS_HOOK_STATE)
#define NFQDNS_HOOK(name)						\
	unsigned int name(const struct nf_hook_ops *ops,		\
			  struct sk_buff *skb,				\
			  const struct net_device *in,			\
			  const struct net_device *out,			\
			  const struct nf_hook_state *state)
#else
#define NFQDNS_HOOK(name)						\
	unsigned int name(const struct nf_hook_ops *ops,		\
			  struct sk_buff *skb,				\
			  const struct net_device *in,			\
			  const struct net_device *out,			\
			  int (*okfn)(struct sk_buff *))
#endif

/* Before 4.4 the hook holds a reference to the module. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 4, 0)
#define NFQDNS_OWNER .owner = THIS_MODULE,
#else
#define NFQDNS_OWNER
#endif

/* The conntrack's address, with ctinfo in its lowest bits from 4.11 on. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 11, 0)
#define NFQDNS_CT _nfct
#else
#define NFQDNS_CT nfct
#endif

/* Added in 3.19 and RHEL 7.2; its predecessor was removed in 4.15. */
#ifndef READ_ONCE
#define READ_ONCE(value) ACCESS_ONCE(value)
#endif

/*
 * Registration: per namespace where that exists (4.3), for all namespaces at
 * once before.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 3, 0)
#include <net/net_namespace.h>

static const struct nf_hook_ops *nfqdns_ops;
static unsigned int nfqdns_ops_count;

static int __net_init nfqdns_net_init(struct net *net)
{
	return nf_register_net_hooks(net, nfqdns_ops, nfqdns_ops_count);
}

static void __net_exit nfqdns_net_exit(struct net *net)
{
	nf_unregister_net_hooks(net, nfqdns_ops, nfqdns_ops_count);
}

static struct pernet_operations nfqdns_net_ops = {
	.init = nfqdns_net_init,
	.exit = nfqdns_net_exit,
};

static inline int nfqdns_register(struct nf_hook_ops *ops, unsigned int count)
{
	nfqdns_ops = ops;
	nfqdns_ops_count = count;
	return register_pernet_subsys(&nfqdns_net_ops);
}

static inline void nfqdns_unregister(struct nf_hook_ops *ops,
				     unsigned int count)
{
	unregister_pernet_subsys(&nfqdns_net_ops);
}
#else
static inline int nfqdns_register(struct nf_hook_ops *ops, unsigned int count)
{
	return nf_register_hooks(ops, count);
}

static inline void nfqdns_unregister(struct nf_hook_ops *ops,
				     unsigned int count)
{
	nf_unregister_hooks(ops, count);
}
#endif

#endif
