#!/bin/sh
# All tests, stage by stage, with seconds beside those of the last run that was kept
# (tests/seconds); the last line is the sum of the runners' own counts and must not be below
# tests/floor.
B=${B:-build}
cd "$(dirname "$0")/.." || exit 1
now="$B/seconds"
: >"$now"
status=0

stage() {
	name=$1
	shift
	echo "== $name"
	begin=$(date +%s)
	"$@" || { status=1; echo "== $name FAILED"; }
	took=$(($(date +%s) - begin))
	last=$(sed -n "s/^$name //p" tests/seconds 2>/dev/null)
	echo "$name $took" >>"$now"
	echo "== $name: $took s (last ${last:-unknown} s)"
}

rm -f "$B"/count-*
stage lint tests/lint/all.sh
stage unit tests/unit.sh $(find "$B/test" -type f -name '*_test' | sort)
stage bench tests/bench/short.sh
stage system tests/system.sh
passed=0 failed=0
for f in "$B"/count-*; do
	read -r p f2 <"$f"
	passed=$((passed + p))
	failed=$((failed + f2))
done
floor=$(cat tests/floor)
if [ "$passed" -lt "$floor" ]; then
	echo "only $passed tests passed; the floor is $floor (tests/floor)"
	status=1
fi
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
echo "$passed passed, $failed failed"
exit $status
