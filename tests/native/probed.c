/*
 * A stand-in for __nf_conntrack_confirm, for tests of the watch's trace on kernels without kprobe events: uprobe events
 * on it have the same form.
 *
 * Usage: probed COUNT    passes COUNT queries to it, of ids from 1, of which it drops each third one; between them,
 *                        packets that are no query. Prints its process id first, and reads a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct packet {
	char before[200];
	unsigned char *data;
};

__attribute__((noinline)) int confirm(struct packet *packet)
{
	unsigned char *data = packet->data;
	const int udp = data[0] >> 4 == 6 ? 40 : 20;

	__asm__ volatile("" ::: "memory");
	/* NF_DROP or NF_ACCEPT, by the DNS id. */
	return (data[udp + 8] << 8 | data[udp + 9]) % 3 != 0;
}

static void make(unsigned char *data, int version, int protocol, int dport, int id)
{
	const int udp = version == 6 ? 40 : 20;

	memset(data, 0, 80);
	data[0] = version == 6 ? 0x60 : 0x45;
	data[version == 6 ? 6 : 9] = (unsigned char)protocol;
	data[version == 6 ? 8 : 12] = version == 6 ? 0xfd : 10;
	data[version == 6 ? 24 : 16] = version == 6 ? 0xfd : 10;
	data[udp - 1] = 53;
	data[udp] = 40000 >> 8;
	data[udp + 1] = 40000 & 0xff;
	data[udp + 2] = (unsigned char)(dport >> 8);
	data[udp + 3] = (unsigned char)dport;
	data[udp + 8] = (unsigned char)(id >> 8);
	data[udp + 9] = (unsigned char)id;
}

int main(int argc, char **argv)
{
	const int count = argc > 1 ? atoi(argv[1]) : 1;
	static unsigned char data[80];
	struct packet packet = { .data = data };
	char line[16];
	int id, sum = 0;

	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	for (id = 1; id <= count; id++) {
		make(data, id % 2 ? 4 : 6, 17, 53, id);
		sum += confirm(&packet);
		/* TCP, another port, a fragment, options, and no IP at all: none of them is a query. */
		make(data, 4, 6, 53, id);
		sum += confirm(&packet);
		make(data, 4, 17, 443, id);
		sum += confirm(&packet);
		make(data, 4, 17, 53, id);
		data[7] = 1;
		sum += confirm(&packet);
	}
	printf("%d\n", sum);
	return 0;
}
