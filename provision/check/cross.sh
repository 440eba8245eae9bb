#!/bin/sh
# Compiles and links with musl for another architecture, by Debian's cross compiler: what musl-gcc does for this one.
# Usage: cross.sh ARGUMENT...    as a compiler; HEADERS_ROOT names a directory with the unpacked packages musl-dev and
# linux-libc-dev of that architecture, and CROSS the prefix of the compiler, such as aarch64-linux-gnu-; both are
# variables that lab/remote_check/cross.py gives to make, which hands them on
set -eu
cross=${CROSS:-aarch64-linux-gnu-}
compiler=${cross}gcc
machine=$("$compiler" -print-multiarch)
musl=${machine%-gnu}-musl
files=$HEADERS_ROOT/usr/lib/$musl
is_object=''
for argument; do
	[ "$argument" != -c ] || is_object=yes
done
# The compiler's own headers come after musl's, and glibc's not at all.
set -- -nostdinc -isystem "$HEADERS_ROOT/usr/include/$musl" -idirafter "$("$compiler" -print-file-name=include)" "$@"
if [ -z "$is_object" ]; then
	set -- "$@" -nostdlib -nostartfiles -static -Wl,--start-group "$files/crt1.o" "$files/crti.o" "$files/libc.a" \
		-lgcc -lgcc_eh -Wl,--end-group "$files/crtn.o"
fi
exec "$compiler" "$@"
