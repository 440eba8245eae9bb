#!/bin/sh
# Builds one kernel module for one kernel, regardless of the kernel's compiler, and tries whether it loads.
# Usage: module.sh MODULE KERNEL-RELEASE [PARAMETER=VALUE...]
# The kernel's headers are in KDIR, or in their installed place.
# Creates build/KERNEL-RELEASE/MODULE.ko; on failure prints the first error, and keeps MODULE.log there. If that kernel
# is running, and parameters are given, the module is loaded with these and unloaded again: if it does not load, the
# build has failed.
#
# First the plain build, without overrides: it is right if this machine's compiler is the kernel's own, as on CentOS. If
# that fails, or the module does not load, the compatible build follows.
set -eu
kbuild=$(CDPATH='' cd "$(dirname "$0")" && pwd)
lab=${kbuild%/*}
module=$1 release=$2
shift 2
headers=${KDIR:-/lib/modules/$release/build}
built=$lab/build/$release
log=$built/$module.log

if [ ! -d "$headers" ]; then
	echo "no kernel headers in $headers: install the headers of kernel $release" >&2
	exit 1
fi

make_plainly() { make_in; }

make_in() { make -C "$scratch/$module" KDIR="$headers" "$@"; }

# Whether a program of the tree runs here: it may need a newer C library. Debian's are wrappers for programs with
# similar names.
runs_here() { [ -e "$1" ] && ! ldd "$1"* 2>&1 | grep -q 'not found'; }

configured() { grep -q "^#define CONFIG_$1 " "$headers/include/generated/autoconf.h"; }

# BTF and compiler plugins need programs of the kernel's build, and the module loads without them. The plugin that
# randomizes structures stays enabled, and fails: without it the structure layout would be wrong.
make_compatibly() {
	set -- CC="$kbuild/cc.sh" CONFIG_DEBUG_INFO_BTF_MODULES=
	configured GCC_PLUGIN_RANDSTRUCT || set -- "$@" CONFIG_GCC_PLUGINS=
	has_objtool=yes
	if ! configured HAVE_JUMP_LABEL_HACK || ! runs_here "$headers/tools/objtool/objtool"; then
		has_objtool=''
		# Only objtool turns jumps to the return thunk back into returns, and newer kernels warn about such
		# jumps.
		set -- "$@" CONFIG_OBJTOOL= CONFIG_STACK_VALIDATION= KCFLAGS=-mfunction-return=keep
	fi
	runs_here "$headers/scripts/mod/modpost" || set -- "$@" MODPOST="$kbuild/modpost.sh"
	LAB_SHIM=$scratch/shim LAB_MODULE=$scratch/$module/$module LAB_SYMVERS=$headers/Module.symvers make_in "$@" &&
		"$lab/build/plt32" "$scratch/$module/$module.ko" && has_its_branches
}

# From 5.18 on a static branch is compiled as taken, and rewritten by objtool (arch/x86/include/asm/jump_label.h).
# Before, objtool's work is not needed to load a module, and building it needs libelf's headers.
has_its_branches() {
	if [ -z "$has_objtool" ] && configured HAVE_JUMP_LABEL_HACK &&
		readelf -SW "$scratch/$module/$module.ko" | grep -q __jump_table; then
		echo "error: the module has static branches, and the kernel's objtool, which they need, does not run here"
		return 1
	fi
}

loads() {
	[ "$release" != "$(uname -r)" ] || [ $# -eq 0 ] || "$kbuild/load.sh" "$scratch/$module/$module.ko" "$@"
}

# The reason of a failed build: the first error of a program, or else of make.
first_error() {
	errors='(^|[ :])(fatal )?error:|no such file|not found|not supported'
	grep -v '^make' "$log" | grep -m 1 -i -E "$errors" || grep -m 1 -i -E "$errors" "$log" || tail -n 1 "$log"
}

# In a copy of the sources, so that attempts do not influence each other.
attempt() {
	rm -rf "${scratch:?}/$module"
	cp -r "$lab/$module" "$scratch/"
	"make_$1" >"$log" 2>&1 && shift && loads "$@" >"$log" 2>&1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$built"
rm -f "$built/$module.ko"
if ! attempt plainly "$@" && ! attempt compatibly "$@"; then
	echo "$module: $(first_error)" >&2
	exit 1
fi
rm "$log"
strip --strip-debug -o "$built/$module.unfinished" "$scratch/$module/$module.ko"
# Rename atomically, so that a crash leaves no incomplete module.
sync "$built/$module.unfinished"
mv "$built/$module.unfinished" "$built/$module.ko"
