#ifndef STANDIN_KERNEL_H
#define STANDIN_KERNEL_H
#include <stddef.h>
typedef unsigned char __u8;
typedef unsigned short __be16;
typedef unsigned int __be32;
#define IPPROTO_UDP 17
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define READ_ONCE(value) (*(const volatile typeof(value) *)&(value))
unsigned short ntohs(__be16 value);
__be16 htons(unsigned short value);
/* Not checked as printf: the kernel's %pI4 and %px are its own. */
int printk(const char *format, ...);
int snprintf(char *buffer, size_t size, const char *format, ...);
#define pr_info(format, ...) printk(pr_fmt(format), ##__VA_ARGS__)
#define pr_err(format, ...) printk(pr_fmt(format), ##__VA_ARGS__)
#endif
