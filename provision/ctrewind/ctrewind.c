// SPDX-License-Identifier: GPL-2.0
/*
 * ctrewind - rewinds the conntrack of a newer kernel to an earlier era
 *
 * The kernel's behaviour when two packets of one flow, with separate
 * conntracks, are reinjected from NFQUEUE has changed several times
 * (net/netfilter/nf_conntrack_core.c):
 *
 *   drop      up to 4.6, RHEL 7.0 to 7.4: __nf_conntrack_confirm() finds the
 *             first packet's entry, counts insert_failed, returns NF_DROP
 *   resolve   4.7 (71d8c47fc653) to 4.18, RHEL 7.7 to 7.9, and from 6.12
 *             (8af79d3edb5f) on: nf_ct_resolve_clash() gives the packet the
 *             first one's entry. RHEL still counts insert_failed. If the
 *             entry was changed by NAT and does not match the packet's own
 *             entry, RHEL drops the packet and also counts drop
 *   relookup  4.19 (368982cd7d1b) to 6.11: nf_conntrack_update() looks the
 *             flow up again when a packet is reinjected, so nothing clashes
 *
 * This module emulates earlier eras on kernels from 4.19 on: both eras skip
 * nf_conntrack_update(), era drop also nf_ct_resolve_clash(). Era resolve is
 * RHEL's: it skips nf_ct_resolve_clash_harder() (5.6, 6a757c07e51f), which
 * lets a packet pass whose entry cannot be merged.
 *
 * A function is skipped by a kprobe at its entry, which continues in another
 * function with the same parameters and the wanted return value.
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
#include <net/netfilter/nf_conntrack_l4proto.h>
#include <net/netfilter/nf_conntrack_tuple.h>

/*
 * The probed functions had other parameters before 5.6 (6a757c07e51f), so the
 * replacements would crash; 5.10 is the oldest long-term kernel since.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "ctrewind supports the conntrack of Linux 5.10 and later only"
#endif

enum era { ERA_NONE, ERA_DROP, ERA_RESOLVE };

static const char * const era_names[] = {
	[ERA_NONE] = "none", [ERA_DROP] = "drop", [ERA_RESOLVE] = "resolve",
};

/* Written only through the parameter; the probes read it once per packet. */
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
MODULE_PARM_DESC(clashes_dropped, "clashing packets dropped: all in era drop, those that cannot be merged in era resolve");
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

static void count_drop(struct net *net)
{
	if (net)
		this_cpu_inc(net->ct.stat->drop);
}

/*
 * The return value of nf_conntrack_update() for "continue": a verdict from 6.7
 * (6291b3a67ad5) on, 0 before; stable kernels may have either. The function
 * does nothing for a packet without a conntrack, so it is called with such a
 * packet, before it is probed, to determine the value.
 */
static int continue_value;

static int __init determine_continue_value(void)
{
	const struct nf_ct_hook *hook;
	struct sk_buff *skb = alloc_skb(0, GFP_KERNEL);
	int answer = -ENOENT;

	if (!skb)
		return -ENOMEM;
	rcu_read_lock();
	hook = rcu_dereference(nf_ct_hook);
	if (hook && hook->update)
		answer = hook->update(&init_net, skb);
	rcu_read_unlock();
	kfree_skb(skb);
	if (answer == -ENOENT)
		return answer;
	if (answer != 0 && answer != NF_ACCEPT) {
		pr_err("nf_conntrack_update answers %d for a packet without a conntrack; 0 and %d are known to mean \"continue\"\n",
		       answer, NF_ACCEPT);
		return -EOPNOTSUPP;
	}
	continue_value = answer;
	return 0;
}

/* Replaces nf_conntrack_update(): continue with the packet's conntrack. */
static int skip_relookup(struct net *net, struct sk_buff *skb)
{
	atomic64_inc(&relookups_skipped);
	return continue_value;
}

/* Replaces nf_ct_resolve_clash(): what label "out" did before 4.7. */
static int drop_clash(struct sk_buff *skb, struct nf_conntrack_tuple_hash *h,
		      u32 reply_hash)
{
	atomic64_inc(&clashes_dropped);
	count_insert_failed(net_of(skb));
	return NF_DROP;
}

/* Continues in another function instead of the probed one; registers with arguments are unchanged. */
static int go_instead(struct pt_regs *regs, unsigned long function)
{
	instruction_pointer_set(regs, function);
	return 1;
}

static int at_update(struct kprobe *probe, struct pt_regs *regs)
{
	return go_instead(regs, (unsigned long)skip_relookup);
}

/* Looked up at load, not linked, so that this module can report a missing nf_conntrack. */
static typeof(&nf_ct_l4proto_find) find_l4proto;

/*
 * The first check of nf_ct_resolve_clash(); if it fails, the function itself
 * counts drop and insert_failed, as RHEL does.
 */
static bool may_clash(struct nf_conntrack_tuple_hash *h)
{
	return find_l4proto(nf_ct_protonum(nf_ct_tuplehash_to_ctrack(h)))->allow_clash;
}

static struct kretprobe resolved_probe;

/*
 * Era resolve continues in __nf_ct_resolve_clash(), whose first two parameters
 * are the same: it merges by RHEL 7.8's rule, and returns NF_DROP otherwise.
 */
static int at_resolve_clash(struct kprobe *probe, struct pt_regs *regs)
{
	if (READ_ONCE(era) == ERA_DROP)
		return go_instead(regs, (unsigned long)drop_clash);
	if (!may_clash((struct nf_conntrack_tuple_hash *)regs_get_kernel_argument(regs, 1)))
		return 0;
	return go_instead(regs, (unsigned long)resolved_probe.kp.addr);
}

/*
 * An empty post_handler prevents the optimisation of kprobes into jumps, which
 * cannot change the instruction pointer (Documentation/trace/kprobes.rst).
 */
static void nothing_after(struct kprobe *probe, struct pt_regs *regs,
			  unsigned long flags)
{
}

/* Remembers the packet's namespace before its conntrack is released or replaced. */
static int remember_net(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct net **net = (struct net **)instance->data;

	*net = net_of((const struct sk_buff *)regs_get_kernel_argument(regs, 0));
	return 0;
}

static int after_resolve_clash(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct net **net = (struct net **)instance->data;

	/* RHEL 7 counts every clash as a failed insert, also resolved ones. */
	count_insert_failed(*net);
	if ((int)regs_return_value(regs) == NF_ACCEPT) {
		atomic64_inc(&clashes_resolved);
		return 0;
	}
	atomic64_inc(&clashes_dropped);
	count_drop(*net);
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
 * Probes the function that resolves, in which era resolve continues. In era
 * drop it is never reached.
 */
static struct kretprobe resolved_probe = {
	.kp.symbol_name = "__nf_ct_resolve_clash",
	.entry_handler = remember_net,
	.handler = after_resolve_clash,
	.data_size = sizeof(struct net *),
	.maxactive = 64,
};

static int explain(int err, const char *symbol)
{
	if (err == -ENOENT)
		pr_err("%s not found: load nf_conntrack first, or this kernel is unsupported (5.10 to 6.12 are supported)\n",
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
	 * Probes do not hold a reference to the probed module. Without a
	 * reference nf_conntrack could be reloaded, and would be in its own
	 * era while this module reports another.
	 */
	find_l4proto = symbol_get(nf_ct_l4proto_find);
	if (!find_l4proto)
		return explain(-ENOENT, clash_probe.symbol_name);

	err = determine_continue_value();
	if (err == -ENOENT)
		explain(err, update_probe.symbol_name);
	if (err)
		goto no_resolved;
	/* First, since the next probe jumps to this one's address. */
	err = register_kretprobe(&resolved_probe);
	if (err) {
		explain(err, resolved_probe.kp.symbol_name);
		goto no_resolved;
	}
	err = register_kprobe(&clash_probe);
	if (err) {
		explain(err, clash_probe.symbol_name);
		goto no_clash;
	}
	err = register_kprobe(&update_probe);
	if (err) {
		explain(err, update_probe.symbol_name);
		goto no_update;
	}
	pr_info("loaded\n");
	return 0;

no_update:
	unregister_kprobe(&clash_probe);
no_clash:
	unregister_kretprobe(&resolved_probe);
no_resolved:
	symbol_put(nf_ct_l4proto_find);
	return err;
}

/*
 * The functions here run under rcu_read_lock() (nfqnl_reinject(), netfilter's
 * hooks); unregistering waits for a grace period, so none is left running.
 */
static void __exit ctrewind_exit(void)
{
	unregister_kprobe(&update_probe);
	unregister_kprobe(&clash_probe);
	unregister_kretprobe(&resolved_probe);
	symbol_put(nf_ct_l4proto_find);
	pr_info("unloaded: %lld relookups skipped, %lld clashes dropped, %lld resolved\n",
		atomic64_read(&relookups_skipped), atomic64_read(&clashes_dropped),
		atomic64_read(&clashes_resolved));
}

module_init(ctrewind_init);
module_exit(ctrewind_exit);

MODULE_DESCRIPTION("Rewinds conntrack to an earlier era");
MODULE_LICENSE("GPL");
