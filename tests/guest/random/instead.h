/* SPDX-License-Identifier: GPL-2.0 */
/* Replaces a function of the kernel. Test only. */
#ifndef INSTEAD_H
#define INSTEAD_H

#include <linux/kprobes.h>
#include <linux/ptrace.h>

/* With a post handler kprobes does not optimise the probe, which could not change the instruction pointer then. */
static void nothing_after(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

/* A probe whose handler calls instead(). */
#define PROBE(name, symbol, handler)		\
	static struct kprobe name = {		\
		.symbol_name = symbol,		\
		.pre_handler = handler,		\
		.post_handler = nothing_after,	\
	}

/* Calls another function with the same arguments; a handler returns what this does. */
static int instead(struct pt_regs *regs, void *function)
{
	instruction_pointer_set(regs, (unsigned long)function);
	return 1;
}

#endif
