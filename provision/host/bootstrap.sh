#!/bin/sh
# Installs what the lab needs on this host: packages, and a virtual environment in .venv/.
# Usage: bootstrap.sh [--dev] [--tests]    --dev: also what development needs; --tests: also packages for the tests
# Does nothing if everything is installed. Every Python package is verified with the hashes of requirements*.txt.
# Proxies: http_proxy, https_proxy and no_proxy reach the package manager and pip.
set -eu
cd "$(dirname "$0")/../.."
hosts=provision/host/distributions.txt

fail() {
	echo "bootstrap.sh: $*" >&2
	exit 3
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		# sudo would remove them.
		sudo --preserve-env=http_proxy,https_proxy,no_proxy "$@"
	else
		fail "sudo is not installed: run this as root once"
	fi
}

kind=run
tests=''
for option; do
	case $option in
	--dev) kind=dev ;;
	--tests) tests=provision/host/test-packages.txt ;;
	*)
		echo "bootstrap.sh: unknown option $option" >&2
		exit 2
		;;
	esac
done

# The first line of the table that fits this host: see there.
host=$(
	ID='' ID_LIKE='' VERSION_ID=''
	# shellcheck source=/dev/null
	[ ! -r "${OS_RELEASE:-/etc/os-release}" ] || . "${OS_RELEASE:-/etc/os-release}"
	awk -v id="$ID" -v like="$ID_LIKE" -v release="$VERSION_ID" '
		# Returns the first place in a list at which one of the names is, or a large number.
		function place(names, list,   count, each, i, j, n, parts) {
			count = split(names, parts, ",")
			n = split(list, each, " ")
			for (j = 1; j <= n; j++) for (i = 1; i <= count; i++) if (parts[i] == each[j]) return j
			return 1000
		}
		BEGIN { nearest = 1000 }
		{ sub(/#.*/, "") }
		NF == 0 { next }
		{
			names = $1; begins = $2
			$1 = $2 = ""
			sub(/^ +/, "")
		}
		place(names, id) == 1 && (begins == "*" || release == begins || index(release, begins ".") == 1) {
			found = $0
			exit
		}
		begins == "*" && place(names, like) < nearest { nearest = place(names, like); alike = $0 }
		END { print (found ? found : alike) }' "$hosts"
)
# shellcheck disable=SC2086  # family, python, and its packages
set -- $host
family=${1:-unknown}
python=${PYTHON:-/usr/bin/${2:-python3}}
[ $# -lt 2 ] || shift 2

is_installed() {
	case $family in
	debian) [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ] ;;
	*) rpm --query "$1" >/dev/null 2>&1 ;;
	esac
}

install_packages() {
	echo "installing: $*"
	case $family in
	debian)
		as_root apt-get update -qq
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
		;;
	fedora | rhel) as_root dnf install --assumeyes --quiet "$@" >/dev/null ;;
	suse) as_root zypper --quiet install --no-confirm --no-recommends "$@" >/dev/null ;;
	esac
}

install_missing() {
	missing=''
	for package; do
		is_installed "$package" || missing="$missing $package"
	done
	# shellcheck disable=SC2086  # one word per package
	[ -z "$missing" ] || install_packages $missing
}

if [ "$family" = unknown ]; then
	echo "bootstrap.sh: packages of this distribution are not known: nothing is installed but .venv" >&2
else
	install_missing "$@"
fi
if [ "$family" = debian ] && [ -n "$tests" ]; then
	# shellcheck disable=SC2046  # one word per package
	install_missing $(sed 's/#.*//' "$tests")
elif [ -n "$tests" ]; then
	echo "bootstrap.sh: the packages of the tests are known for Debian only: some tests will be skipped or fail" >&2
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	fail "$python is not Python 3.11 or newer; set PYTHON to one that is"

pip_install() {
	.venv/bin/pip install --quiet --disable-pip-version-check "$@"
}

# The file records what .venv/ was made of: "run", or "dev", which is sufficient for running the lab, too.
wanted=$(cat requirements.txt requirements-build.txt requirements-dev.txt pyproject.toml | sha256sum | cut -d' ' -f1)
installed=$(cat .venv/installed 2>/dev/null || true)
case $installed in
"$wanted dev" | "$wanted $kind") ;;
*)
	case $installed in
	"$wanted run") ;;
	*)
		echo "setting up .venv"
		rm -rf .venv
		"$python" -m venv .venv
		pip_install --require-hashes -r requirements.txt -r requirements-build.txt
		pip_install --no-deps --no-build-isolation --editable .
		echo "$wanted run" >.venv/installed
		;;
	esac
	if [ "$kind" = dev ]; then
		echo "adding the requirements of development to .venv"
		pip_install --require-hashes -r requirements-dev.txt
		echo "$wanted dev" >.venv/installed
	fi
	;;
esac

# Every command is twice as fast with it, also for a user who may not write here, or with PYTHONDONTWRITEBYTECODE.
.venv/bin/python -m compileall -q lab
[ "$family" = unknown ] || .venv/bin/lab setup >/dev/null
