#!/bin/sh
# Fetches a page with hey, a program in Go, and Go's own resolver; prints the time of the lookup as JSON.
# Usage: hey.sh [ARGUMENT...] URL
# Exit status 1: hey printed no such time, since the lookup, or what follows it, failed.
set -eu
# Go then does not call glibc, as in programs built without cgo.
export GODEBUG=netdns=go
hey -n 1 -c 1 -t 0 "$@" | awk '
	/DNS-lookup:/ { printf "{\"client\": \"hey\", \"lookup_s\": %s}\n", $2; timed = 1 }
	END { exit !timed }
'
