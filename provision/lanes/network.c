// SPDX-License-Identifier: GPL-2.0
/*
 * Sets up the lanes' interfaces in one process: one ip process per lane takes about 40 ms under emulation. Needs the
 * namespaces, each with its veth device "lane".
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "network.h"

static const char device[] = "lane";

static void set_address(struct sockaddr *where, struct in_addr address)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr = address };

	memcpy(where, &own, sizeof(own));
}

static struct ifreq request_for(const char *name)
{
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	return request;
}

static void bring_up(int fd, const char *name)
{
	struct ifreq request = request_for(name);

	request.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
		give_up("bring up", name);
}

static void set_lane_address(int fd, struct in_addr address)
{
	struct ifreq request = request_for(device);
	const struct in_addr all = { .s_addr = INADDR_NONE };

	set_address(&request.ifr_addr, address);
	if (ioctl(fd, SIOCSIFADDR, &request) != 0)
		give_up("give an address to", device);
	set_address(&request.ifr_netmask, all);
	if (ioctl(fd, SIOCSIFNETMASK, &request) != 0)
		give_up("set the netmask of", device);
}

static void add_route(int fd, struct in_addr network, struct in_addr mask)
{
	struct rtentry route;

	memset(&route, 0, sizeof(route));
	set_address(&route.rt_dst, network);
	set_address(&route.rt_genmask, mask);
	route.rt_flags = RTF_UP;
	route.rt_dev = (char *)device;
	if (ioctl(fd, SIOCADDRT, &route) != 0)
		give_up("add a route by", device);
}

static void set_up(const struct lane *lane, struct in_addr network, struct in_addr mask)
{
	int fd;

	lane_enter_network(lane);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		give_up("get a socket in", lane->name);
	bring_up(fd, "lo");
	bring_up(fd, device);
	set_lane_address(fd, lane_address(lane));
	add_route(fd, network, mask);
	close(fd);
}

static struct in_addr parse_network(const char *text, struct in_addr *mask)
{
	struct in_addr network;
	char address[INET_ADDRSTRLEN];
	unsigned int bits;

	if (sscanf(text, "%15[0-9.]/%u", address, &bits) != 2 || !bits || bits > 32 ||
	    inet_pton(AF_INET, address, &network) != 1) {
		fprintf(stderr, "lanes: '%s' is not a network (ADDRESS/BITS)\n", text);
		exit(EXIT_USAGE);
	}
	mask->s_addr = htonl(UINT_MAX << (32 - bits));
	return network;
}

int network_up(unsigned int first, unsigned int count, const char *servers)
{
	struct in_addr mask;
	const struct in_addr network = parse_network(servers, &mask);
	unsigned int number;

	for (number = first; number < count; number++) {
		const struct lane lane = lane_of(number);

		set_up(&lane, network, mask);
	}
	return EXIT_SUCCESS;
}
