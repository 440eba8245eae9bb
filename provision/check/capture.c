// SPDX-License-Identifier: GPL-2.0
/* The format: pcap-savefile(5), with nanoseconds. */
#include "capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "check.h"

enum {
	PCAP_NANOSECONDS = 0xa1b23c4d,
	PCAP_MAJOR = 2,
	PCAP_MINOR = 4,
	LINKTYPE_ETHERNET = 1,
	MOST_BYTES = 2048,
};

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, most_bytes, link_type;
};

struct record_header {
	uint32_t seconds, nanoseconds, kept, length;
};

static void put(int file, const void *bytes, size_t length)
{
	if (write(file, bytes, length) != (ssize_t)length)
		give_up("write", "a capture");
}

struct capture capture_begin(const char *link, const char *path)
{
	const struct file_header header = {
		.magic = PCAP_NANOSECONDS,
		.major = PCAP_MAJOR,
		.minor = PCAP_MINOR,
		.most_bytes = MOST_BYTES,
		.link_type = LINKTYPE_ETHERNET,
	};
	const struct sockaddr_ll where = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(link),
	};
	struct capture capture = { .socket = -1, .file = -1 };
	const int yes = 1;

	/* Opening a socket would load the kernel module: without the module there is no capture. */
	if (access("/proc/net/packet", F_OK) < 0)
		return capture;
	capture.socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (capture.socket < 0)
		return capture;
	setsockopt(capture.socket, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes));
	capture.file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (capture.file < 0 || bind(capture.socket, (const struct sockaddr *)&where, sizeof(where)) < 0)
		give_up("capture packets on", link);
	put(capture.file, &header, sizeof(header));
	return capture;
}

static struct timespec time_of(struct msghdr *message)
{
	struct cmsghdr *control;
	struct timespec time;

	for (control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
		if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&time, CMSG_DATA(control), sizeof(time));
			return time;
		}
	}
	clock_gettime(CLOCK_REALTIME, &time);
	return time;
}

void capture_write(const struct capture *capture)
{
	char frame[MOST_BYTES], control[128] __attribute__((aligned(8)));

	for (; capture->socket >= 0;) {
		struct iovec part = { .iov_base = frame, .iov_len = sizeof(frame) };
		struct msghdr message = {
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		ssize_t got = recvmsg(capture->socket, &message, MSG_TRUNC);
		struct record_header header;
		struct timespec time;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return;
		time = time_of(&message);
		header.seconds = (uint32_t)time.tv_sec;
		header.nanoseconds = (uint32_t)time.tv_nsec;
		header.length = (uint32_t)got;
		header.kept = header.length < MOST_BYTES ? header.length : MOST_BYTES;
		put(capture->file, &header, sizeof(header));
		put(capture->file, frame, header.kept);
	}
}
