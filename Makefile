# What people type. Everything here installs what it needs first.
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests demo test test-quick lint messages bench clean

SCRIPTS := provision/host/bootstrap.sh provision/image/initramfs-init provision/image/rootfs/etc/lab-boot \
	$(wildcard provision/image/rootfs/usr/sbin/* provision/guest/*.sh provision/vagrant/*.sh provision/check/*.sh) lab/locale/update.sh .ci/run

# Side by side, as they wait more than they work; each file's tests stay together.
SIDE_BY_SIDE := .venv/bin/pytest -m 'not guest and not alone' --numprocesses 3 --dist loadfile

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## install packages and the virtual environment
	@provision/host/bootstrap.sh

setup-tests:
	@provision/host/bootstrap.sh --tests

demo: setup ## show the five-second stall on old and none on new
	@.venv/bin/lab demo

test: setup-tests lint ## run every test, real guests included
	@$(SIDE_BY_SIDE)
	@.venv/bin/pytest -m alone
	@.venv/bin/pytest -m guest

test-quick: setup-tests ## run the tests of what is computed, in less than a minute
	@$(SIDE_BY_SIDE) tests/unit

lint: setup ## check style, types, layers and scripts
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports --no-logo >.lint-imports.log || { cat .lint-imports.log; false; }
	@shellcheck $(SCRIPTS)

messages: setup ## bring the translators' catalogues up to date with the sources
	@lab/locale/update.sh

bench: setup ## measure, as ratios within one run, and write bench/; half an hour; apt needs a network
	@.venv/bin/lab bench

clean: ## destroy the machines and remove what was built here; stored runs and the image cache stay
	@[ ! -x .venv/bin/lab ] || .venv/bin/lab destroy --quiet >/dev/null
	@rm -rf .venv .lab/machines .*_cache .lint-imports.log
