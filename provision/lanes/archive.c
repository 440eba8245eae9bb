// SPDX-License-Identifier: GPL-2.0
/* The "ustar" format of POSIX.1-1988, as in tar(5): a header of 512 bytes, then the content, padded to 512. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "lane.h"

enum { BLOCK = 512 };

struct header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[6];
	char version[2];
	char unused[247];
};

/* What is to be written together: each write wakes sshd, which encrypts and sends it. */
static char *gathered;
static size_t gathered_bytes, gathered_size;

static void put(const void *bytes, size_t length)
{
	if (length > gathered_size - gathered_bytes) {
		gathered_size = 2 * gathered_size + length;
		gathered = realloc(gathered, gathered_size);
		if (!gathered)
			give_up("allocate memory for", "the archive");
	}
	memcpy(gathered + gathered_bytes, bytes, length);
	gathered_bytes += length;
}

void archive_write(void)
{
	const char *at = gathered;

	while (gathered_bytes) {
		ssize_t written = write(STDOUT_FILENO, at, gathered_bytes);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			give_up("write", "the archive");
		at += written;
		gathered_bytes -= (size_t)written;
	}
}

static void put_header(const char *name, char type, size_t size)
{
	struct header header;
	const unsigned char *bytes = (const unsigned char *)&header;
	unsigned int sum = 0, i;

	memset(&header, 0, sizeof(header));
	snprintf(header.name, sizeof(header.name), "%s", name);
	memcpy(header.mode, "0000644", 8);
	memcpy(header.uid, "0000000", 8);
	memcpy(header.gid, "0000000", 8);
	snprintf(header.size, sizeof(header.size), "%011zo", size);
	memcpy(header.mtime, "00000000000", 12);
	header.type = type;
	memcpy(header.magic, "ustar", 6);
	memcpy(header.version, "00", 2);
	/* The checksum is computed with its own field as spaces. */
	memset(header.checksum, ' ', sizeof(header.checksum));
	for (i = 0; i < sizeof(header); i++)
		sum += bytes[i];
	snprintf(header.checksum, sizeof(header.checksum), "%06o", sum);
	put(&header, sizeof(header));
}

void archive_add(const char *directory, const char *name, const char *content, size_t length)
{
	static const char padding[BLOCK];
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	put_header(path, '0', length);
	put(content, length);
	put(padding, -length % BLOCK);
}

void archive_add_file(const char *directory, const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	char *content = NULL;
	size_t length = 0, size = 0;

	if (fd < 0)
		return;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
		/* Read to the end, not to its size: the file may grow. */
		for (;;) {
			ssize_t got;

			if (length == size) {
				size = size ? size * 2 : 8192;
				content = realloc(content, size);
				if (!content)
					give_up("read", path);
			}
			got = read(fd, content + length, size - length);
			if (got <= 0)
				break;
			length += (size_t)got;
		}
		archive_add(directory, name, content, length);
		free(content);
	}
	close(fd);
}

void archive_add_all(const char *directory, const char *path)
{
	DIR *files = opendir(path);
	const struct dirent *entry;
	char file[PATH_MAX];

	if (!files)
		give_up("read", path);
	while ((entry = readdir(files))) {
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		archive_add_file(directory, file, entry->d_name);
	}
	closedir(files);
}

void archive_add_directory(const char *directory)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/", directory);
	put_header(path, '5', 0);
}

void archive_end(void)
{
	static const char ends[2 * BLOCK];

	put(ends, sizeof(ends));
	archive_write();
}
