#!/bin/sh
# Builds parts of the guest image in its Debian tree, each into /parts/PART, in the place that it has in a guest.
# Usage: parts.sh PART...    PART: login, a directory of programs, or MODULE@KERNEL-RELEASE
set -eu
lab=/opt/lab
for part; do
	into=/parts/$part
	built=$into$lab/build
	mkdir -p "$built"
	case $part in
	login)
		make -s -C /usr/src/lab-login DESTDIR="$into" install
		rm -r "$into/opt"
		;;
	*@*)
		# A module that the plain build does not make takes plt32.
		PROGRAMS=kbuild MODULES=${part%@*} "$lab/guest/build.sh" "${part#*@}"
		mv "$lab/build/${part#*@}" "$built/"
		;;
	*)
		PROGRAMS=$part MODULES='' "$lab/guest/build.sh"
		mv "$lab/build"/* "$built/"
		;;
	esac
	rm -rf "$lab/build"
done
