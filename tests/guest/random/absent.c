// SPDX-License-Identifier: GPL-2.0
/*
 * absent - getrandom(2) is missing, as on Linux before 3.17
 *
 * Test only. Loaded before the root disk is mounted; see test_login.py.
 */
#include <linux/errno.h>
#include <linux/module.h>

#include "instead.h"

static int asked;
module_param(asked, int, 0444);
MODULE_PARM_DESC(asked, "how often getrandom was called");

static long missing(const struct pt_regs *regs)
{
	asked++;
	return -ENOSYS;
}

static int at_getrandom(struct kprobe *probe, struct pt_regs *regs)
{
	return instead(regs, missing);
}

PROBE(getrandom_probe, "__x64_sys_getrandom", at_getrandom);

static int __init absent_init(void)
{
	return register_kprobe(&getrandom_probe);
}
module_init(absent_init);

MODULE_DESCRIPTION("Takes getrandom(2) away");
MODULE_LICENSE("GPL");
