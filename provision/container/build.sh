#!/bin/sh
# Builds the container, and writes it as one file that podman loads.
# Usage: build.sh [--own-base] [FILE]    FILE: five-second-lab.oci.tar by default
#   --own-base: make the base by mmdebstrap from this host's Debian mirrors, instead of pulling one from a registry
# Needs buildah, and the lab's own .venv (make setup); as root or as a user who may use buildah.
set -eu
cd "$(dirname "$0")/../.."
file=five-second-lab.oci.tar
name=localhost/five-second-lab
base=docker.io/library/debian:13-slim
suite=trixie
python=3.13
own=''
for option; do
	case $option in
	--own-base) own=yes ;;
	-*)
		echo "build.sh: unknown option $option" >&2
		exit 2
		;;
	*) file=$option ;;
	esac
done
command -v buildah >/dev/null || {
	echo "build.sh: buildah is not installed: apt-get install buildah" >&2
	exit 3
}

context=$(mktemp -d "${TMPDIR:-/tmp}/lab-container.XXXXXX")
working=''
tidy() {
	[ -z "$working" ] || buildah rm "$working" >/dev/null || true
	rm -rf "$context"
}
trap tidy EXIT
trap 'exit 130' INT TERM

echo "the guest image"
.venv/bin/lab image export --quiet "$context/image.tar.zst" >/dev/null
echo "the lab and its Python packages, verified with the hashes of requirements.txt"
mkdir "$context/python"
.venv/bin/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w "$context/python" .
cp requirements.txt "$context/python/"
machine=$(uname -m)
set --
for tag in manylinux1 manylinux2014 manylinux_2_17 manylinux_2_28 manylinux_2_34; do
	set -- "$@" --platform "${tag}_$machine"
done
.venv/bin/pip download --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt \
	--dest "$context/python" --only-binary=:all: --python-version "$python" --implementation cp "$@" --platform any
cp provision/container/packages.txt provision/container/enter "$context/"

if [ -n "$own" ]; then
	echo "the base: Debian $suite"
	base=localhost/five-second-lab-base
	packages=$(sed 's/#.*//' provision/container/packages.txt | tr -s ' \n' ',,' | sed 's/^,//; s/,$//')
	# Debian's own slim images leave the same out.
	mmdebstrap --quiet --variant=minbase --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		"$suite" "$context/base.tar" ${LAB_MIRROR:+"$LAB_MIRROR"}
	working=$(buildah from scratch)
	buildah add --quiet "$working" "$context/base.tar" / >/dev/null
	buildah commit --quiet --rm "$working" "$base" >/dev/null
	working=''
	rm "$context/base.tar"
fi

echo "the container"
# Wherever containers are not started, as inside another one, programs are run by chroot.
buildah build --quiet --isolation "${BUILDAH_ISOLATION:-chroot}" --layers=false --build-arg "BASE=$base" --tag "$name" \
	--file Containerfile "$context" >/dev/null
rm -f "$file"
buildah push --quiet "$name" "oci-archive:$file:five-second-lab"
size=$(buildah images --format '{{.Size}}' "$name")
echo "$file: load it by podman load -i $file; unpacked it has $size"
