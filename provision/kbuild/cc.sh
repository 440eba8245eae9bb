#!/bin/sh
# Replaces the compiler that a kernel was built with by this machine's gcc.
# Usage: [LAB_SHIM=DIRECTORY] cc.sh ARGUMENT...    see gcc(1)
# - Defaults of Debian's and Ubuntu's gcc that the kernel's compiler did not have are disabled; the kernel's options
#   come later and take precedence.
# - Option checks (with source on standard input or in /dev/null) are passed to gcc unchanged.
# - A source file is compiled without options that gcc does not support, from a newer compiler's .config.
# - Warnings are not errors: these headers were not tested with this compiler. Errors that the kernel's makefiles enable
#   for invalid code, such as implicit declarations, stay errors.
# - If a tree includes linux/compiler-gccN.h for this gcc's version (before 4.2), its newest such header is used, by a
#   file in DIRECTORY.
# Under emulation a process takes about 20 ms, so there are as few as possible.
set -eu
export LC_ALL=C
is_question=yes
for argument in "$@"; do
	case $argument in
	/dev/null) ;;
	*.c | *.S) is_question='' ;;
	esac
done
set -- -fno-pie -fno-stack-protector -fcf-protection=none "$@"
[ -z "$is_question" ] || exec gcc "$@"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Find the tree's newest linux/compiler-gccN.h in the include directories: gcc 3 to gcc 5 had one.
newest=''
for argument in "$@"; do
	for header in "${argument#-I}"/linux/compiler-gcc[0-9].h; do
		[ ! -e "$header" ] || newest=$header
	done
done
if [ -n "$newest" ]; then
	# It must outlive the compilation: fixdep reads the headers again.
	shim=${LAB_SHIM:-$scratch}
	mkdir -p "$shim/linux"
	# Replace atomically: another compilation may be reading it.
	echo "#include <linux/${newest##*/}>" >"$scratch/header"
	mv "$scratch/header" "$shim/linux/compiler-gcc$(gcc -dumpversion | cut -d . -f 1).h"
	# Last in the search order: a tree's own header for this gcc takes precedence.
	set -- "$@" -idirafter "$shim"
fi

# Options to leave out, one per line.
left_out='
-Werror
'
while :; do
	count=$#
	while [ "$count" -gt 0 ]; do
		argument=$1
		shift
		case $left_out in
		*"
$argument
"*) ;;
		*)
			case $argument in
			-Werror=implicit-function-declaration | -Werror=implicit-int | -Werror=int-conversion | \
				-Werror=incompatible-pointer-types) set -- "$@" "$argument" ;;
			-Werror=*) ;;
			*) set -- "$@" "$argument" ;;
			esac
			;;
		esac
		count=$((count - 1))
	done
	status=0
	gcc "$@" 2>"$scratch/output" || status=$?
	# gcc reports all unsupported options, and compiles nothing.
	unknown=''
	[ "$status" -eq 0 ] ||
		unknown=$(sed -n "s/.*error: unrecognized command-line option '\([^']*\)'.*/\1/p" "$scratch/output")
	# If it was already left out, it is part of another argument, as in -Wp,OPTION, and cannot be removed.
	case $left_out in
	*"
$unknown
"*) unknown='' ;;
	esac
	if [ -z "$unknown" ]; then
		cat "$scratch/output" >&2
		exit "$status"
	fi
	left_out="$left_out$unknown
"
done
