// SPDX-License-Identifier: GPL-2.0
#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "check.h"
#include "netlink.h"

/* The kernel processes link changes at least once per second (net/core/link_watch.c). */
enum { LOOKS = 1500, PAUSE_MS = 2 };

static void request(struct message *message, const char *what, const char *which)
{
	int fd = netlink_open(NETLINK_ROUTE);

	if (fd < 0)
		give_up(what, which);
	errno = netlink_request(fd, message);
	if (errno)
		give_up(what, which);
	close(fd);
}

void network_connect(pid_t other)
{
	const struct ifinfomsg unnamed = { .ifi_family = AF_UNSPEC };
	const uint32_t pid = (uint32_t)other;
	struct message message = { .length = 0 };
	size_t info, data, peer;

	message_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &unnamed, sizeof(unnamed));
	message_put_text(&message, IFLA_IFNAME, CLIENT_LINK);
	info = message_nest(&message, IFLA_LINKINFO);
	message_put_text(&message, IFLA_INFO_KIND, "veth");
	data = message_nest(&message, IFLA_INFO_DATA);
	/* The peer's attributes follow its own header. */
	peer = message_nest(&message, VETH_INFO_PEER);
	message_put_raw(&message, &unnamed, sizeof(unnamed));
	message_put_text(&message, IFLA_IFNAME, SERVER_LINK);
	message_put(&message, IFLA_NET_NS_PID, &pid, sizeof(pid));
	message_end(&message, peer);
	message_end(&message, data);
	message_end(&message, info);
	request(&message, "make", "a pair of veth links");
}

void network_add_address(const char *link, const char *address)
{
	const struct ifaddrmsg header = {
		.ifa_family = AF_INET,
		.ifa_prefixlen = NETWORK_BITS,
		.ifa_index = if_nametoindex(link),
	};
	struct message message = { .length = 0 };
	struct in_addr numbers;

	inet_pton(AF_INET, address, &numbers);
	message_begin(&message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &header, sizeof(header));
	message_put(&message, IFA_LOCAL, &numbers, sizeof(numbers));
	message_put(&message, IFA_ADDRESS, &numbers, sizeof(numbers));
	request(&message, "add an address to", link);
}

static void bring_up(const char *link)
{
	const struct ifinfomsg header = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = (int)if_nametoindex(link),
		.ifi_flags = IFF_UP,
		.ifi_change = IFF_UP,
	};
	struct message message = { .length = 0 };

	message_begin(&message, RTM_NEWLINK, NLM_F_ACK, &header, sizeof(header));
	request(&message, "bring up", link);
}

/* Only in this namespace; without IPv6 there is no such file. */
static void disable_ipv6(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) < 0)
		give_up("disable IPv6 in", "a namespace");
	close(fd);
}

void network_begin(const char *link, const char *address)
{
	disable_ipv6();
	bring_up("lo");
	network_add_address(link, address);
	bring_up(link);
}

/* IFLA_OPERSTATE "up" (RFC 2863): IFF_UP alone does not mean that the queue already accepts packets. */
static bool is_up(int fd, const char *link)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(link) };
	struct message message = { .length = 0 };
	char answer[8192] __attribute__((aligned(8)));
	const struct nlmsghdr *found = (const struct nlmsghdr *)(const void *)answer;
	const struct rtattr *attribute;
	ssize_t got;
	int left;

	message_begin(&message, RTM_GETLINK, 0, &header, sizeof(header));
	errno = netlink_send(fd, &message);
	got = errno ? -1 : recv(fd, answer, sizeof(answer), 0);
	if (got < 0 || !NLMSG_OK(found, (unsigned int)got) || found->nlmsg_type != RTM_NEWLINK)
		give_up("query", link);
	left = (int)IFLA_PAYLOAD(found);
	for (attribute = IFLA_RTA((const struct ifinfomsg *)NLMSG_DATA(found)); RTA_OK(attribute, left);
	     attribute = RTA_NEXT(attribute, left))
		if (attribute->rta_type == IFLA_OPERSTATE)
			return *(const unsigned char *)RTA_DATA(attribute) == IF_OPER_UP;
	return false;
}

void network_await(const char *link)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	int fd = netlink_open(NETLINK_ROUTE);
	unsigned int look;

	if (fd < 0)
		give_up("query", link);
	for (look = 0; look < LOOKS; look++) {
		if (is_up(fd, link)) {
			close(fd);
			return;
		}
		nanosleep(&pause, NULL);
	}
	errno = ENETDOWN;
	give_up("use", link);
}
