// SPDX-License-Identifier: GPL-2.0
/*
 * plt32 - converts a kernel module's calls for module loaders before 4.16
 *
 * From binutils 2.31 on (bd7ab16b4537) the assembler marks a call with
 * R_X86_64_PLT32 where it used to say R_X86_64_PC32. A kernel has no procedure
 * linkage table, so both are the same there: later loaders treat them alike
 * (b21ebf2fb4cd, arch/x86/kernel/module.c), earlier ones refuse the former.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	EXIT_USAGE = 2,
	EXIT_BROKEN = 3,
};

static const char help[] =
"Usage: plt32 MODULE.ko\n"
"Turn the R_X86_64_PLT32 relocations of a kernel module into R_X86_64_PC32, in\n"
"place, and print how many there were.\n"
"\n"
"Exit status: 0 success, 2 bad usage, 3 the file is not a module for x86_64.\n";

struct file {
	char *start;
	size_t size;
};

/* Whether an array is within the file, and aligned. */
static bool is_inside(const struct file *file, Elf64_Off offset, Elf64_Xword count, size_t size)
{
	return offset % sizeof(Elf64_Xword) == 0 && offset <= file->size &&
	       count <= (file->size - offset) / size;
}

static bool is_object(const struct file *file)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)file->start;

	return file->size >= sizeof(*header) &&
	       memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       header->e_type == ET_REL && header->e_machine == EM_X86_64 &&
	       header->e_shentsize == sizeof(Elf64_Shdr) &&
	       is_inside(file, header->e_shoff, header->e_shnum, sizeof(Elf64_Shdr));
}

/* Returns the number of converted relocations, or -1 if the section is not within the file. */
static long turn(const struct file *file, const Elf64_Shdr *section)
{
	Elf64_Xword count = section->sh_size / sizeof(Elf64_Rela);
	Elf64_Rela *relocation;
	long turned = 0;

	if (!is_inside(file, section->sh_offset, count, sizeof(*relocation)))
		return -1;
	relocation = (Elf64_Rela *)(file->start + section->sh_offset);
	for (; count > 0; count--, relocation++) {
		if (ELF64_R_TYPE(relocation->r_info) != R_X86_64_PLT32)
			continue;
		relocation->r_info = ELF64_R_INFO(ELF64_R_SYM(relocation->r_info), R_X86_64_PC32);
		turned++;
	}
	return turned;
}

static long turn_all(const struct file *file)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)file->start;
	const Elf64_Shdr *section;
	long all = 0;
	long turned;
	Elf64_Half i;

	if (!is_object(file))
		return -1;
	section = (const Elf64_Shdr *)(file->start + header->e_shoff);
	for (i = 0; i < header->e_shnum; i++) {
		if (section[i].sh_type != SHT_RELA)
			continue;
		turned = turn(file, &section[i]);
		if (turned < 0)
			return -1;
		all += turned;
	}
	return all;
}

static bool map(const char *path, struct file *file)
{
	int descriptor = open(path, O_RDWR | O_CLOEXEC);
	struct stat status;

	if (descriptor < 0 || fstat(descriptor, &status) < 0)
		return false;
	file->size = (size_t)status.st_size;
	file->start = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	close(descriptor);
	return file->start != MAP_FAILED;
}

int main(int argc, char **argv)
{
	struct file file;
	long turned;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "plt32: one argument, a kernel module: see --help\n");
		return EXIT_USAGE;
	}
	if (!map(argv[1], &file)) {
		perror(argv[1]);
		return EXIT_BROKEN;
	}
	turned = turn_all(&file);
	if (turned < 0) {
		fprintf(stderr, "plt32: %s is not a module for x86_64\n", argv[1]);
		return EXIT_BROKEN;
	}
	printf("plt32: %ld calls\n", turned);
	return 0;
}
