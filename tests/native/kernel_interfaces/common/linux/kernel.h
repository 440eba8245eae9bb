#ifndef STANDIN_KERNEL_H
#define STANDIN_KERNEL_H
#include <stddef.h>
#include <linux/compiler.h>
typedef unsigned char __u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned short __be16;
typedef unsigned int __be32;
#define IPPROTO_UDP 17
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
unsigned short ntohs(__be16 value);
__be16 htons(unsigned short value);
/* What follows %p, as in %pI4, is plain text to the compiler: in the kernel too. */
__attribute__((format(printf, 1, 2))) int printk(const char *format, ...);
__attribute__((format(printf, 3, 4))) int snprintf(char *buffer, size_t size, const char *format, ...);
#define pr_info(format, ...) printk(pr_fmt(format), ##__VA_ARGS__)
#define pr_err(format, ...) printk(pr_fmt(format), ##__VA_ARGS__)
#endif
