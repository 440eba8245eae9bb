// SPDX-License-Identifier: GPL-2.0
/*
 * lab-login - starts sshd once the kernel has randomness for it
 *
 * The host writes a seed for each boot into a file. It is always mixed into the
 * kernel's pools. It is credited as entropy only if the kernel is not ready
 * without it: sshd would wait for minutes in a guest with few interrupts. See
 * random(4) and getrandom(2).
 *
 * Linux 3.17 to 4.7 have a pool for getrandom() that is filled from the input
 * pool 64 bits at a time, each time the input pool is credited while it holds
 * more than 896 bits; every other time the pool of /dev/random is filled
 * instead (drivers/char/random.c of 4.4, credit_entropy_bits()). It counts as
 * initialised at more than 128 bits: five credits after the first one.
 *
 * Linux before 3.17 has no getrandom(). glibc then opens /dev/urandom, which
 * sshd's sandbox forbids; a preloaded library replaces glibc's functions there
 * (random.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SEED "/etc/lab-random"
#define LIBRARY "/usr/lib/lab-random.so"
#define SSHD "/usr/sbin/sshd"

/* The size of the input pool: 4096 bits (INPUT_POOL_SHIFT, 3.10 to 5.16). */
enum { FIRST_BYTES = 512 };

/* For each further credit: 128 bits are the minimum that has an effect (twice random_read_wakeup_bits). */
enum { CREDIT_BYTES = 32 };

/* The size of the seed is in lab/provider/qemu.py. */
enum { MOST_BYTES = 4096 };

/* The kernel fills its pools asynchronously, in a work item: number of checks, one per millisecond. */
enum { LOOKS = 20 };

enum state { READY, BLOCKS, MISSING };

/* The system call, since another getrandom() may be preloaded. */
static enum state getrandom_state(void)
{
	unsigned char byte;

	if (syscall(SYS_getrandom, &byte, sizeof(byte), GRND_NONBLOCK) == sizeof(byte))
		return READY;
	return errno == ENOSYS ? MISSING : BLOCKS;
}

static size_t read_seed(unsigned char *seed, size_t size)
{
	int fd = open(SEED, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return 0;
	got = read(fd, seed, size);
	close(fd);
	/* The seed is valid for one boot. */
	unlink(SEED);
	return got > 0 ? (size_t)got : 0;
}

static void print_error(const char *what)
{
	fprintf(stderr, "lab-login: %s: %s\n", what, strerror(errno));
}

static void mix(const unsigned char *bytes, size_t count)
{
	int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, bytes, count) != (ssize_t)count)
		print_error("/dev/urandom");
	if (fd >= 0)
		close(fd);
}

static void credit(const unsigned char *bytes, size_t count)
{
	struct {
		int bits, count;
		unsigned char bytes[FIRST_BYTES];
	} info = { .bits = 8 * (int)count, .count = (int)count };
	int fd = open("/dev/random", O_WRONLY | O_CLOEXEC);

	memcpy(info.bytes, bytes, count);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &info) != 0)
		print_error("/dev/random");
	if (fd >= 0)
		close(fd);
	explicit_bzero(&info, sizeof(info));
}

static enum state getrandom_state_soon(void)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };
	enum state state = getrandom_state();
	int looks;

	for (looks = 0; state == BLOCKS && looks < LOOKS; looks++) {
		nanosleep(&pause, NULL);
		state = getrandom_state();
	}
	return state;
}

/* Adds the seed to the kernel's pools, and returns the resulting state of getrandom(). */
static enum state use_seed(const unsigned char *seed, size_t count)
{
	enum state state;
	size_t used;

	if (count)
		mix(seed, count);
	state = getrandom_state();
	if (state == READY)
		return state;
	used = count < FIRST_BYTES ? count : FIRST_BYTES;
	if (used)
		credit(seed, used);
	for (;;) {
		state = getrandom_state_soon();
		if (state != BLOCKS || count - used < CREDIT_BYTES)
			return state;
		credit(seed + used, CREDIT_BYTES);
		used += CREDIT_BYTES;
	}
}

/* The kernel may still become ready by itself; "lab: " marks the line for lab/provider/console.py. */
static void wait_for_getrandom(size_t count)
{
	unsigned char byte;

	fprintf(stderr,
		"lab: sshd does not start: getrandom(2) blocks, after %zu bytes of randomness from the host\n", count);
	while (syscall(SYS_getrandom, &byte, sizeof(byte), 0) < 0 && errno == EINTR)
		;
}

int main(void)
{
	unsigned char seed[MOST_BYTES];
	const size_t count = read_seed(seed, sizeof(seed));
	const enum state state = use_seed(seed, count);

	explicit_bzero(seed, sizeof(seed));
	if (state == BLOCKS)
		wait_for_getrandom(count);
	if (state == MISSING && setenv("LD_PRELOAD", LIBRARY, true) != 0)
		print_error("LD_PRELOAD");
	/* Log to the console (-e): from the line "Server listening" the host knows that SSH is ready. */
	execl(SSHD, SSHD, "-D", "-e", NULL);
	print_error(SSHD);
	return EXIT_FAILURE;
}
