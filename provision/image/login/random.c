// SPDX-License-Identifier: GPL-2.0
/*
 * lab-random.so - randomness for sshd on a kernel without getrandom(2)
 *
 * Preloaded only into sshd, by lab-login, if the system call is missing (Linux
 * before 3.17). glibc and OpenSSL open /dev/urandom there for each random
 * number. sshd's unprivileged process, before authentication, cannot: its root
 * directory is empty, and a seccomp filter forbids open().
 *
 * Bytes are read from /dev/urandom in advance, used once, and wiped. After a
 * fork the child has none and reads new ones; sshd requests some before it
 * enters the sandbox. If none are left and none can be read, the process
 * aborts; there is no other source.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

/*
 * A login takes less than 2000 bytes within the sandbox. On these kernels
 * /dev/urandom produces ten bytes per hash.
 */
enum { STORE_BYTES = 8192 };

/* getentropy(3) */
enum { MOST_ENTROPY = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char store[STORE_BYTES];
static size_t left;

static bool is_urandom(int fd)
{
	struct stat status;

	/* Documentation/admin-guide/devices.txt: 1 char, 9 */
	return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 9);
}

static bool read_whole(int fd, unsigned char *bytes, size_t count)
{
	while (count) {
		ssize_t got = read(fd, bytes, count);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		bytes += got;
		count -= (size_t)got;
	}
	return true;
}

static bool refill(void)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool filled;

	if (fd < 0)
		return false;
	filled = is_urandom(fd) && read_whole(fd, store, sizeof(store));
	close(fd);
	left = filled ? sizeof(store) : 0;
	return filled;
}

static bool take(unsigned char *bytes, size_t count)
{
	bool ok = true;

	pthread_mutex_lock(&lock);
	while (count && (left || (ok = refill()))) {
		size_t part = count < left ? count : left;

		left -= part;
		memcpy(bytes, store + left, part);
		explicit_bzero(store + left, part);
		bytes += part;
		count -= part;
	}
	pthread_mutex_unlock(&lock);
	return ok;
}

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

/* The remaining bytes belong to the parent. */
static void in_child(void)
{
	explicit_bzero(store, sizeof(store));
	left = 0;
	pthread_mutex_unlock(&lock);
}

static void __attribute__((constructor)) watch_forks(void)
{
	if (pthread_atfork(before_fork, in_parent, in_child) != 0)
		abort();
}

PUBLIC void arc4random_buf(void *bytes, size_t count)
{
	static const char why[] = "lab-random: /dev/urandom cannot be read, and no bytes of it are left\n";

	if (take(bytes, count))
		return;
	if (write(STDERR_FILENO, why, sizeof(why) - 1) < 0)
		abort();
	abort();
}

PUBLIC uint32_t arc4random(void)
{
	uint32_t value;

	arc4random_buf(&value, sizeof(value));
	return value;
}

PUBLIC uint32_t arc4random_uniform(uint32_t bound)
{
	uint32_t least, value;

	if (bound < 2)
		return 0;
	/* 2^32 modulo the bound: without the values below it all remainders are equally likely. */
	least = -bound % bound;
	do
		value = arc4random();
	while (value < least);
	return value % bound;
}

/* OpenSSL's first choice (providers/implementations/rands/seeding/rand_unix.c, syscall_random()). */
PUBLIC int getentropy(void *bytes, size_t count)
{
	if (count <= MOST_ENTROPY && take(bytes, count))
		return 0;
	errno = EIO;
	return -1;
}

PUBLIC ssize_t getrandom(void *bytes, size_t count, unsigned int flags)
{
	/* There is only one source; it never blocks. */
	(void)flags;
	if (take(bytes, count))
		return (ssize_t)count;
	errno = EIO;
	return -1;
}
