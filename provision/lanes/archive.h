/* SPDX-License-Identifier: GPL-2.0 */
/* A tar archive on standard output, which can be extracted while it is written. */
#ifndef LAB_ARCHIVE_H
#define LAB_ARCHIVE_H

#include <stddef.h>

/* Adds a file. */
void archive_add(const char *directory, const char *name, const char *content, size_t length);

/* Adds a file under the given name; missing files, and other than plain files, are skipped. */
void archive_add_file(const char *directory, const char *path, const char *name);

/* Adds every plain file of a directory. */
void archive_add_all(const char *directory, const char *path);

/* Adds the directory itself, after its files, to mark them complete. */
void archive_add_directory(const char *directory);

/* Writes what was added. Ends the program if writing fails. */
void archive_write(void);

/* Adds the end, and writes. */
void archive_end(void);

#endif
