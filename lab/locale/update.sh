#!/bin/sh
# Brings every catalogue up to date with its sources: DOMAIN.cfg beside this script says which they are (it is a mapping
# of Babel's). New messages come in untranslated; a test fails until they are.
set -eu
cd "$(dirname "$0")/../.."
for mapping in lab/locale/*.cfg; do
	domain=$(basename "$mapping" .cfg)
	template=$(mktemp)
	.venv/bin/pybabel --quiet extract --mapping-file="$mapping" --no-location --omit-header --sort-output \
		--keywords='_ ngettext:1,2 pgettext:1c,2 N_' --output-file="$template" .
	# shellcheck disable=SC2043  # one language so far
	for language in zh_Hans; do
		catalogue=lab/locale/$language/LC_MESSAGES/$domain.po
		mkdir -p "$(dirname "$catalogue")"
		[ -e "$catalogue" ] || .venv/bin/pybabel --quiet init --input-file="$template" --output-file="$catalogue" --locale="$language" --domain="$domain"
		.venv/bin/pybabel --quiet update --input-file="$template" --output-file="$catalogue" --locale="$language" \
			--domain="$domain" --no-fuzzy-matching --ignore-obsolete --omit-header
	done
	rm -f "$template"
done
