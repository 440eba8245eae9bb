# Commands for users. Each target installs what it needs first.
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-tests demo demo-real test test-quick test-all lint messages requirements bench container clean

SCRIPTS := provision/host/bootstrap.sh provision/image/initramfs-init provision/image/parts.sh provision/image/rootfs/etc/lab-boot \
	$(wildcard provision/image/rootfs/usr/sbin/* provision/kbuild/*.sh provision/guest/*.sh provision/vagrant/*.sh provision/check/*.sh provision/bench/*.sh provision/container/*.sh tests/guest/centos_bed/programs/[a-z]*) lab/locale/update.sh provision/container/enter .ci/run

# In parallel, since tests wait more than they compute; the tests of a file stay together.
SIDE_BY_SIDE := .venv/bin/pytest -m 'not guest and not alone and not container' --numprocesses 3 --dist loadfile

# Two files in parallel, the longest first: a guest often waits, for a timeout of five seconds or for its host. The file
# that traces every packet of every scenario runs alone, since a slow client looks like one that waited for an answer.
ON_GUESTS := .venv/bin/pytest -m guest
TRACED := tests/guest/test_evidence.py

# Every package with its hashes, and no word of where this host gets packages from.
PIN := pip-compile --quiet --allow-unsafe --generate-hashes --no-emit-find-links --no-emit-index-url \
	--no-emit-trusted-host --strip-extras

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## install packages and the virtual environment
	@provision/host/bootstrap.sh

setup-dev: ## ... with what style, types and catalogues are checked with
	@provision/host/bootstrap.sh --dev

setup-tests:
	@provision/host/bootstrap.sh --dev --tests

requirements: ## bring the pinned packages up to date with pyproject.toml; takes pip-compile (pip-tools)
	@$(PIN) --output-file=requirements.txt pyproject.toml
	@$(PIN) --extra=cluster --extra=dev --output-file=requirements-dev.txt pyproject.toml
	@$(PIN) --build-deps-for=editable --only-build-deps --output-file=requirements-build.txt pyproject.toml

demo: setup ## show the five-second stall on old and none on new
	@.venv/bin/lab demo

demo-real: setup ## show them on the kernels of CentOS 7.0 and 7.8, downloaded once, and where 7.8 still stalls
	@.venv/bin/lab demo --system kernel

test: setup-tests lint ## run the tests, real guests included
	@$(SIDE_BY_SIDE)
	@.venv/bin/pytest -m alone
	@$(ON_GUESTS) $(TRACED)
	@$(ON_GUESTS) --ignore=$(TRACED) --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-all: export LAB_TEST_ALL = 1
test-all: test ## the same, with every scenario, the container, other hosts and arm64: over an hour more
	@.venv/bin/pytest -m container

test-quick: setup-tests ## run the unit tests: about two minutes
	@$(SIDE_BY_SIDE) tests/unit

lint: setup-dev ## check style, types, layers and scripts
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports --no-logo >.lint-imports.log || { cat .lint-imports.log; false; }
	@shellcheck -x $(SCRIPTS)

container: setup ## build the container, with the guest image in it, as five-second-lab.oci.tar; needs buildah
	@provision/container/build.sh

messages: setup-dev ## bring the translators' catalogues up to date with the sources
	@lab/locale/update.sh

bench: setup ## measure, as ratios within one run, and write bench/; half an hour; apt needs a network
	@.venv/bin/lab bench

clean: ## destroy the machines and remove what was built here; stored runs and the image cache are kept
	@[ ! -x .venv/bin/lab ] || .venv/bin/lab destroy --quiet >/dev/null
	@rm -rf .venv .lab/machines .*_cache .lint-imports.log
