#!/bin/sh
# Run the Criterion programs given as arguments; trust their closing line, not their exit code.
# Writes "passed failed" to $B/count-unit.
B=${B:-build}
export KMS_SIGNER="${KMS_SIGNER:-$B/bin/kms-signer}"	# the signer that signer_test starts
export LSAN_OPTIONS="suppressions=$(dirname "$0")/lsan.supp:print_suppressions=0"
passed=0 failed=0
for t in "$@"; do
	log="$t.log"
	timeout -k 5 300 "$t" --jobs 2 >"$log" 2>&1
	line=$(grep -a 'Synthesis: Tested:' "$log" | tail -1)
	plain=$(printf '%s' "$line" | sed 's/\x1b\[[0-9;]*m//g')
	tested=$(printf '%s' "$plain" | sed -n 's/.*Tested: *\([0-9]*\).*/\1/p')
	ok=$(printf '%s' "$plain" | sed -n 's/.*Passing: *\([0-9]*\).*/\1/p')
	bad=$(printf '%s' "$plain" | sed -n 's/.*Failing: *\([0-9]*\).*/\1/p')
	if [ -z "$tested" ] || [ "$tested" -eq 0 ]; then
		echo "FAIL  $t: it ran no test"
		tail -5 "$log"
		failed=$((failed + 1))
		continue
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
	if [ "$bad" -ne 0 ] || grep -qa 'ERROR: AddressSanitizer\|runtime error:\|ERROR: LeakSanitizer' "$log"; then
		echo "FAIL  $(basename "$t"): $plain"
		grep -a 'FAIL\|Assertion\|Sanitizer\|runtime error' "$log" | head -20
		[ "$bad" -ne 0 ] || failed=$((failed + 1))
	else
		printf '  ok    %-22s %s tests\n' "$(basename "$t")" "$tested"
	fi
done
echo "$passed $failed" >"$B/count-unit"
[ "$failed" -eq 0 ]
