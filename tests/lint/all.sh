#!/bin/sh
# What a reviewer would otherwise repeat.  Each check prints what it found; silence is good.
# Writes "passed failed" to $B/count-lint.
B=${B:-build}
cd "$(dirname "$0")/../.." || exit 1
sources=$(git ls-files -co --exclude-standard '*.c' '*.h')
passed=0 failed=0

verdict() {	# name, what was found
	if [ -n "$2" ]; then
		echo "FAIL  $1"
		printf '%s\n' "$2" | head -20
		failed=$((failed + 1))
	else
		passed=$((passed + 1))
	fi
}

# imports go down only: process -> common -> proto, and never into another process
verdict "proto imports nothing but proto and common/bytes, u256" "$(grep -n '#include "' proto/*.h proto/*.c | grep -v '"proto/\|"common/bytes.h\|"common/u256.h')"
verdict "common imports common and proto only" "$(grep -n '#include "' common/*.c common/*.h | grep -v '"common/\|"proto/')"
for p in listener executor; do
	verdict "$p imports its own only" "$(grep -rn '#include "' $p | grep -v "\"common/\|\"proto/\|\"$p/")"
done
verdict "the submitter's network half imports its own only" "$(grep -n '#include "' submitter/*.c submitter/*.h | grep -v '"common/\|"proto/\|"submitter/[a-z_]*\.h"')"
verdict "the signer imports its own only" "$(grep -n '#include "' submitter/signer/* | grep -v '"common/\|"proto/\|"submitter/signer/')"
verdict "the monitor imports its own only" "$(grep -n '#include "' supervisor/monitor/* | grep -v '"common/\|"proto/\|"supervisor/monitor/')"

verdict "<ev.h> outside the loop" "$(printf '%s\n' $sources | grep -v '^common/loop.c$' | xargs grep -ln '#include <ev.h>')"
verdict "banned calls" "$(printf '%s\n' $sources | grep -v '^tests/' | xargs grep -nwE '(strcpy|strcat|sprintf|gets|system|rand|strtok) ?\(' )"
verdict "line comments" "$(printf '%s\n' $sources | xargs grep -nE '^[[:space:]]*//')"
verdict "lines indented by spaces (make format)" "$(printf '%s\n' $sources | xargs grep -nE '^ +[^ *].*[;{}]$' | head -20)"
verdict "white space at the end of a line" "$(printf '%s\n' $sources | xargs grep -nE '[[:space:]]+$')"
verdict "lines over 100 columns (outside tables)" "$(printf '%s\n' $sources | grep -v '^proto/.*\.h$\|^tests/' | xargs awk '{ l = $0; n = 0; for (i = 1; i <= length(l); i++) n = substr(l, i, 1) == "\t" ? n + 8 - n % 8 : n + 1; if (n > 112 && l !~ /"/) print FILENAME ":" FNR ": " n }')"
verdict "files over 600 lines" "$(printf '%s\n' $sources | xargs wc -l | awk '$1 > 600 && $2 != "total" { print }')"
verdict "words that mean unfinished" "$(printf '%s\n' $sources | grep -v '^tests/lint' | xargs grep -nE 'TODO|FIXME|not implemented')"
verdict "a main.c without Hears/Says/Owns/Trusts" "$(for m in listener executor submitter submitter/signer supervisor/monitor; do for w in Hears Says Owns Trusts; do grep -q " \* $w:" $m/main.c || echo "$m/main.c: $w"; done; done)"

# a binary that links a library it must not
if [ -x "$B/bin/kms-signer" ]; then
	verdict "the signer links something it must not" "$(ldd "$B/bin/kms-signer" | awk '{ print $1 }' | grep -vE '^(linux-vdso|libc\.so|libsecp256k1|libsodium|libmsgpackc|libseccomp|/lib64/ld-linux)')"
	verdict "the listener links gRPC or a database" "$(ldd "$B/bin/kms-listener" | grep -E 'libgrpc|libsqlite')"
	verdict "the monitor links gRPC, a database or keys" "$(ldd "$B/bin/kms-monitor" | grep -E 'libgrpc|libsqlite|libsodium')"
fi

# printed pages that are stale
if [ -x "$B/bin/kms-pages" ]; then
	verdict "proto/PROTOCOL.md is stale (make pages)" "$("$B/bin/kms-pages" protocol | diff -q - proto/PROTOCOL.md)"
fi
# every file that README's table of the design document names
verdict "README names files that are not there" "$(sed -n '/^## From the design document/,/^## /p' README.md | grep -o '`[a-z_/]*\.[a-z]*`' | tr -d '\`' | sort -u | while read -r f; do [ -e "$f" ] || echo "$f"; done)"
if command -v systemd-analyze >/dev/null; then
	dir=$(mktemp -d)
	sed "s|^ExecStart=[^ ]*|ExecStart=/bin/true|; s|^ExecReload=.*||; s|^User=.*||; s|^Group=.*||" systemd/kms-connector.service >"$dir/kms-connector.service"
	verdict "systemd-analyze verify" "$(systemd-analyze verify "$dir/kms-connector.service" 2>&1)"
	rm -rf "$dir"
fi
echo "  $passed checks passed, $failed failed"
echo "$passed $failed" >"$B/count-lint"
[ "$failed" -eq 0 ]
