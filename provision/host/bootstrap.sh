#!/bin/sh
# Installs what the lab needs on a Debian host: packages, and a virtual environment in .venv/.
# Usage: bootstrap.sh [--tests]    with what only the tests need
# Does nothing where everything is there. Every Python package is checked against requirements.txt's hashes.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-/usr/bin/python3}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

lists=provision/host/packages.txt
[ "${1:-}" != --tests ] || lists="$lists provision/host/test-packages.txt"
missing=''
# shellcheck disable=SC2013,SC2086  # one word a package, one a list
for package in $(sed 's/#.*//' $lists); do
	status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
	echo "installing:$missing"
	as_root apt-get update -qq
	# shellcheck disable=SC2086  # one word a package
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

wanted=$(cat requirements.txt pyproject.toml | sha256sum)
if [ "$(cat .venv/installed 2>/dev/null || true)" != "$wanted" ]; then
	echo "setting up .venv"
	rm -rf .venv
	"$python" -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	echo "$wanted" >.venv/installed
fi
