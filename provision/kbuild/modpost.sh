#!/bin/sh
# Replaces a kernel's modpost that does not run on this machine because it needs a newer C library: writes the generated
# part of a module, for one module.
# Usage: LAB_MODULE=PATH LAB_SYMVERS=FILE modpost.sh [ARGUMENT...]    the arguments are modpost's, and ignored
#        PATH is the path of the module's object without ".o"; FILE is the kernel's Module.symvers.
# Writes PATH.mod.c, like scripts/mod/modpost.c (write_mod_c_files).
set -eu
name=${LAB_MODULE##*/}

# Prints "CRC SYMBOL MODULE" for each undefined symbol of the module.
needed() {
	{
		echo "0x0 module_layout -"
		nm -u "$LAB_MODULE.o" | sed 's/^ *U */- /'
	} | awk '
		FNR == NR { crc[$2] = $1; from[$2] = $3; next }
		$2 in crc { count = split(from[$2], path, "/"); print crc[$2], $2, path[count] }
	' "$LAB_SYMVERS" -
}

cat >"$LAB_MODULE.mod.c" <<-END
	#define INCLUDE_VERMAGIC
	#include <linux/module.h>
	#include <linux/vermagic.h>

	MODULE_INFO(vermagic, VERMAGIC_STRING);
	MODULE_INFO(name, KBUILD_MODNAME);

	struct module __this_module __attribute__((section(".gnu.linkonce.this_module"))) = {
	 	.name = KBUILD_MODNAME,
	 	.init = init_module,
	#ifdef CONFIG_MODULE_UNLOAD
	 	.exit = cleanup_module,
	#endif
	 	.arch = MODULE_ARCH_INIT,
	};

	#if defined(CONFIG_RETPOLINE) || defined(CONFIG_MITIGATION_RETPOLINE)
	MODULE_INFO(retpoline, "Y");
	#endif

	#ifdef CONFIG_MODVERSIONS
	static const struct modversion_info versions[]
	__attribute__((used, section("__versions"))) = {
	$(needed | sed 's/^\([^ ]*\) \([^ ]*\) .*/ 	{ \1, "\2" },/')
	};
	#endif

	MODULE_INFO(depends, "$(needed | awk '$3 != "vmlinux" && !seen[$3]++ { printf "%s%s", comma, $3; comma = "," }')");
END
echo "$name: written without modpost, which does not run here" >&2
# The module exports no symbols.
: >"${LAB_MODULE%/*}/Module.symvers"
