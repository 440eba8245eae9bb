// SPDX-License-Identifier: GPL-2.0
/*
 * ctrewind - turns the conntrack of a newer kernel back to an earlier era
 *
 * What a kernel does when two packets of one flow, each with a conntrack of
 * its own, come out of NFQUEUE has changed, and changed back
 * (net/netfilter/nf_conntrack_core.c):
 *
 *   drop      up to 4.6, RHEL 7.0 to 7.4: __nf_conntrack_confirm() finds the
 *             first packet's entry, counts insert_failed, returns NF_DROP
 *   resolve   4.7 (71d8c47fc653) to 4.18, RHEL 7.7 to 7.9, and from 6.12
 *             (8af79d3edb5f) on: nf_ct_resolve_clash() gives the packet the
 *             first one's entry. RHEL counts insert_failed all the same
 *   relookup  4.19 (368982cd7d1b) to 6.11: nf_conntrack_update() looks the
 *             flow up again when a packet is reinjected, so nothing clashes
 *
 * This module takes a kernel from 4.19 on and steps back: both eras skip
 * nf_conntrack_update(), era drop also nf_ct_resolve_clash().
 *
 * A function is skipped by a kprobe at its entry which sends the processor to
 * a function here that has the same parameters and returns what is wanted.
 */
#define pr_fmt(fmt) "[ctrewind] " fmt

#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/ptrace.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <linux/version.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_tuple.h>

/*
 * The functions probed had other parameters before 5.6 (6a757c07e51f), and
 * standing in for those would crash; 5.10 is the oldest long-term kernel since.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "ctrewind knows the conntrack of Linux 5.10 and later only"
#endif

enum era { ERA_NONE, ERA_DROP, ERA_RESOLVE };

static const char * const era_names[] = {
	[ERA_NONE] = "none", [ERA_DROP] = "drop", [ERA_RESOLVE] = "resolve",
};

/* Written through the parameter only; the probes read it once a packet. */
static enum era era = ERA_NONE;

static atomic64_t relookups_skipped;
static atomic64_t clashes_dropped;
static atomic64_t clashes_resolved;

static int era_set(const char *value, const struct kernel_param *kp)
{
	enum era wanted;

	if (sysfs_streq(value, era_names[ERA_DROP])) {
		wanted = ERA_DROP;
	} else if (sysfs_streq(value, era_names[ERA_RESOLVE])) {
		wanted = ERA_RESOLVE;
	} else {
		pr_err("era '%.*s' is unknown; it can be: drop, resolve\n",
		       (int)strcspn(value, "\n"), value);
		return -EINVAL;
	}
	WRITE_ONCE(era, wanted);
	pr_info("era %s\n", era_names[wanted]);
	return 0;
}

static int era_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", era_names[READ_ONCE(era)]);
}

static const struct kernel_param_ops era_ops = {
	.set = era_set,
	.get = era_get,
};
module_param_cb(era, &era_ops, NULL, 0644);
MODULE_PARM_DESC(era, "drop or resolve; must be given, can be changed at run time");

static int count_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%lld\n", atomic64_read(kp->arg));
}

static const struct kernel_param_ops count_ops = {
	.get = count_get,
};
module_param_cb(relookups_skipped, &count_ops, &relookups_skipped, 0444);
MODULE_PARM_DESC(relookups_skipped, "reinjected packets whose flow was not looked up again");
module_param_cb(clashes_dropped, &count_ops, &clashes_dropped, 0444);
MODULE_PARM_DESC(clashes_dropped, "clashing packets dropped, as in era drop");
module_param_cb(clashes_resolved, &count_ops, &clashes_resolved, 0444);
MODULE_PARM_DESC(clashes_resolved, "clashing packets given the first one's entry, as in era resolve");

static struct net *net_of(const struct sk_buff *skb)
{
	enum ip_conntrack_info ctinfo;
	const struct nf_conn *ct = nf_ct_get(skb, &ctinfo);

	return ct ? nf_ct_net(ct) : NULL;
}

static void count_insert_failed(struct net *net)
{
	if (net)
		this_cpu_inc(net->ct.stat->insert_failed);
}

/* What nf_conntrack_update() says for "go on": a verdict from 6.7 (6291b3a67ad5). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define GO_ON NF_ACCEPT
#else
#define GO_ON 0
#endif

/* Stands in for nf_conntrack_update(): go on with the conntrack it has. */
static int skip_relookup(struct net *net, struct sk_buff *skb)
{
	atomic64_inc(&relookups_skipped);
	return GO_ON;
}

/* Stands in for nf_ct_resolve_clash(): what label "out" did before 4.7. */
static int drop_clash(struct sk_buff *skb, struct nf_conntrack_tuple_hash *h,
		      u32 reply_hash)
{
	atomic64_inc(&clashes_dropped);
	count_insert_failed(net_of(skb));
	return NF_DROP;
}

/* The function probed is not entered: its arguments stay where they are. */
static int go_instead(struct pt_regs *regs, unsigned long function)
{
	instruction_pointer_set(regs, function);
	return 1;
}

static int at_update(struct kprobe *probe, struct pt_regs *regs)
{
	return go_instead(regs, (unsigned long)skip_relookup);
}

static int at_resolve_clash(struct kprobe *probe, struct pt_regs *regs)
{
	if (READ_ONCE(era) != ERA_DROP)
		return 0;
	return go_instead(regs, (unsigned long)drop_clash);
}

/*
 * An empty post_handler keeps kprobes from being optimised into a jump, which
 * could not change where execution goes on (Documentation/trace/kprobes.rst).
 */
static void nothing_after(struct kprobe *probe, struct pt_regs *regs,
			  unsigned long flags)
{
}

/* A clash that was resolved: RHEL 7 counts it as a failed insert all the same. */
static int remember_skb(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct sk_buff **skb = (struct sk_buff **)instance->data;

	*skb = (struct sk_buff *)regs_get_kernel_argument(regs, 0);
	return 0;
}

static int after_resolve_clash(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct sk_buff **skb = (struct sk_buff **)instance->data;

	/* Not resolved: the kernel has counted insert_failed and drop itself. */
	if ((int)regs_return_value(regs) != NF_ACCEPT)
		return 0;
	atomic64_inc(&clashes_resolved);
	count_insert_failed(net_of(*skb));
	return 0;
}

static struct kprobe update_probe = {
	.symbol_name = "nf_conntrack_update",
	.pre_handler = at_update,
	.post_handler = nothing_after,
};

static struct kprobe clash_probe = {
	.symbol_name = "nf_ct_resolve_clash",
	.pre_handler = at_resolve_clash,
	.post_handler = nothing_after,
};

/*
 * On the function that resolves, not on its caller. A packet that era drop
 * sends elsewhere never gets as far as this one's return.
 */
static struct kretprobe resolved_probe = {
	.kp.symbol_name = "__nf_ct_resolve_clash",
	.entry_handler = remember_skb,
	.handler = after_resolve_clash,
	.data_size = sizeof(struct sk_buff *),
	.maxactive = 64,
};

static int explain(int err, const char *symbol)
{
	if (err == -ENOENT)
		pr_err("%s not found: load nf_conntrack first, or this kernel is not known to ctrewind (5.10 to 6.12 are)\n",
		       symbol);
	else
		pr_err("%s cannot be probed: error %d\n", symbol, err);
	return err;
}

static int __init ctrewind_init(void)
{
	int err;

	if (era == ERA_NONE) {
		pr_err("no era given; load with era=drop or era=resolve\n");
		return -EINVAL;
	}

	/*
	 * Probes do not hold the module they are in. Were nf_conntrack taken
	 * away and loaded again, it would be of its own era while ours still
	 * said another.
	 */
	if (!symbol_get(nf_conntrack_htable_size))
		return explain(-ENOENT, clash_probe.symbol_name);

	err = register_kprobe(&clash_probe);
	if (err) {
		explain(err, clash_probe.symbol_name);
		goto no_clash;
	}
	err = register_kretprobe(&resolved_probe);
	if (err) {
		explain(err, resolved_probe.kp.symbol_name);
		goto no_resolved;
	}
	err = register_kprobe(&update_probe);
	if (err) {
		explain(err, update_probe.symbol_name);
		goto no_update;
	}
	pr_info("loaded\n");
	return 0;

no_update:
	unregister_kretprobe(&resolved_probe);
no_resolved:
	unregister_kprobe(&clash_probe);
no_clash:
	symbol_put(nf_conntrack_htable_size);
	return err;
}

/*
 * The functions here run under rcu_read_lock() (nfqnl_reinject(), the hooks
 * of netfilter), for whose end unregistering waits: none is left running.
 */
static void __exit ctrewind_exit(void)
{
	unregister_kprobe(&update_probe);
	unregister_kretprobe(&resolved_probe);
	unregister_kprobe(&clash_probe);
	symbol_put(nf_conntrack_htable_size);
	pr_info("unloaded: %lld relookups skipped, %lld clashes dropped, %lld resolved\n",
		atomic64_read(&relookups_skipped), atomic64_read(&clashes_dropped),
		atomic64_read(&clashes_resolved));
}

module_init(ctrewind_init);
module_exit(ctrewind_exit);

MODULE_DESCRIPTION("Turns conntrack back to an earlier era");
MODULE_LICENSE("GPL");
