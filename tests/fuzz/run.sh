#!/bin/sh
# Each target twice: with its planted bug, which must be found, and without, for S seconds.
B=${B:-build}
S=${S:-60}
CLANG=${CLANG:-clang}
cd "$(dirname "$0")/../.." || exit 1
out="$B/fuzz"
mkdir -p "$out"
flags="-std=c11 -D_GNU_SOURCE -g -O1 -I. -DKMS_UNCONFINED -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"
libs="-lev -lyaml -lcurl -lcjson -lsecp256k1 -lsodium -lseccomp -lmsgpackc -pthread"
status=0
for src in tests/fuzz/*_fuzz.c; do
	name=$(basename "$src" .c)
	more=$(sed -n 's|^ \* Links: ||p' "$src")
	seeds=$(sed -n 's|^ \* Seed files in: ||p' "$src")
	common="$(ls common/*.c) proto/tables.c"
	# shellcheck disable=SC2086
	$CLANG $flags -o "$out/$name" $src $more $common $libs || { status=1; continue; }
	# shellcheck disable=SC2086
	$CLANG $flags -DPLANTED_BUG -o "$out/$name-planted" $src $more $common $libs || { status=1; continue; }
	corpus="$out/corpus-$name"
	mkdir -p "$corpus"
	# shellcheck disable=SC2086
	if "$out/$name-planted" -max_total_time=60 -artifact_prefix="$out/" "$corpus" $seeds >"$out/$name-planted.log" 2>&1; then
		echo "FAIL  $name: the planted bug was not found in 60 s"
		status=1
		continue
	fi
	# shellcheck disable=SC2086
	if "$out/$name" -max_total_time="$S" -artifact_prefix="$out/" "$corpus" $seeds >"$out/$name.log" 2>&1; then
		echo "  ok    $name: $(sed -n 's/^#\([0-9]*\).*DONE.*/\1/p' "$out/$name.log" | tail -1) inputs, nothing found; the planted bug was found"
	else
		echo "FAIL  $name: see $out/$name.log"
		tail -15 "$out/$name.log"
		status=1
	fi
done
exit $status
