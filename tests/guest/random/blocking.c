// SPDX-License-Identifier: GPL-2.0
/*
 * blocking - getrandom(2) waits for the non-blocking pool, as on Linux 3.17 to 4.7
 *
 * Test only. Loaded before the root disk is mounted; see test_login.py. Only
 * the accounts of the pools are kept here, by the rules of those kernels'
 * drivers/char/random.c: what is fed goes nowhere. Interrupts feed nothing.
 * With -DFOREVER=true no credit counts.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "instead.h"

#define POOL_BITS 4096
#define OUTPUT_POOL_BITS 1024
#define READ_WAKEUP_BITS 64
#define WRITE_WAKEUP_BITS 896
#define INITIALIZED_BITS 128

struct pool {
	int bits, total;
	bool initialized;
};

static struct pool input, nonblocking, blocking;
static struct pool *last = &blocking;
static DEFINE_MUTEX(lock);
static DECLARE_WAIT_QUEUE_HEAD(initialized);

#ifndef FOREVER
#define FOREVER false
#endif

static int credits, waited;
module_param(credits, int, 0444);
MODULE_PARM_DESC(credits, "how often the input pool was credited");
module_param(waited, int, 0444);
MODULE_PARM_DESC(waited, "how many calls of getrandom had to wait");

/* A pool fills more and more slowly: by three quarters of what comes in, as far as there is room. */
static void credit(struct pool *pool, int size, int bits)
{
	int left = bits;

	while (left > 0 && pool->bits < size - 2) {
		int part = min(left, size / 2);

		pool->bits += (size - pool->bits) * part / size * 3 / 4;
		left -= part;
	}
	pool->total += bits;
	if (!pool->initialized && pool->total > INITIALIZED_BITS) {
		pool->initialized = true;
		pool->total = 0;
		if (pool == &nonblocking)
			wake_up_all(&initialized);
	}
}

static void push(struct work_struct *work)
{
	mutex_lock(&lock);
	input.bits -= READ_WAKEUP_BITS;
	credit(last, OUTPUT_POOL_BITS, READ_WAKEUP_BITS);
	mutex_unlock(&lock);
}
static DECLARE_WORK(push_work, push);

static void credit_input(int bits)
{
	struct pool *other = last == &blocking ? &nonblocking : &blocking;

	credits++;
	if (FOREVER)
		return;
	credit(&input, POOL_BITS, bits);
	if (input.bits <= WRITE_WAKEUP_BITS || !input.initialized || input.total < 2 * READ_WAKEUP_BITS)
		return;
	if (other->bits <= OUTPUT_POOL_BITS * 3 / 4)
		last = other;
	if (last->bits <= OUTPUT_POOL_BITS * 3 / 4) {
		schedule_work(&push_work);
		input.total = 0;
	}
}

static long ioctl_instead(struct file *file, unsigned int command, unsigned long argument)
{
	int bits;

	if (command != RNDADDENTROPY)
		return -EINVAL;
	if (get_user(bits, (int __user *)argument))
		return -EFAULT;
	mutex_lock(&lock);
	credit_input(bits);
	mutex_unlock(&lock);
	return 0;
}

static long getrandom_instead(const struct pt_regs *regs)
{
	u8 bytes[256];
	size_t count = min_t(size_t, regs->si, sizeof(bytes));

	if (regs->dx & GRND_NONBLOCK)
		return -EAGAIN;
	waited++;
	if (wait_event_interruptible(initialized, READ_ONCE(nonblocking.initialized)))
		return -ERESTARTSYS;
	get_random_bytes(bytes, count);
	return copy_to_user((void __user *)regs->di, bytes, count) ? -EFAULT : count;
}

static int at_getrandom(struct kprobe *probe, struct pt_regs *regs)
{
	if (READ_ONCE(nonblocking.initialized))
		return 0;
	return instead(regs, getrandom_instead);
}

static int at_ioctl(struct kprobe *probe, struct pt_regs *regs)
{
	return instead(regs, ioctl_instead);
}

PROBE(getrandom_probe, "__x64_sys_getrandom", at_getrandom);
PROBE(ioctl_probe, "random_ioctl", at_ioctl);

static int __init blocking_init(void)
{
	int error = register_kprobe(&getrandom_probe);

	if (error)
		return error;
	error = register_kprobe(&ioctl_probe);
	if (error)
		unregister_kprobe(&getrandom_probe);
	return error;
}
module_init(blocking_init);

MODULE_DESCRIPTION("Lets getrandom(2) wait for the non-blocking pool");
MODULE_LICENSE("GPL");
