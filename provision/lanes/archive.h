/* SPDX-License-Identifier: GPL-2.0 */
/* A tar archive on standard output, which whoever reads it can take apart while it grows. */
#ifndef LAB_ARCHIVE_H
#define LAB_ARCHIVE_H

#include <stddef.h>

/* Adds a file. Ends the program if nobody takes it. */
void archive_add(const char *directory, const char *name, const char *content, size_t length);

/* Adds a file of the machine's under its last name; what is not a plain file, or is gone, is passed over. */
void archive_add_file(const char *directory, const char *path, const char *name);

/* Adds every plain file of a directory of the machine's. */
void archive_add_all(const char *directory, const char *path);

/* Adds the directory itself: it stands behind its files, and says that they are all there. */
void archive_add_directory(const char *directory);

void archive_end(void);

#endif
