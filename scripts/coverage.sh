#!/usr/bin/env bash
# The share of host lines of csrc/ops/cuda and csrc/runtime/cuda that tests have executed in a build
# with LAMINA_COVERAGE.   scripts/coverage.sh BUILD [LEAST]   fails below LEAST percent
set -euo pipefail
readonly build="$1" least="${2:-0}"
cd "$build"
find . -path '*lamina.dir/csrc/*/cuda/*' -name '*.gcno' | sort | while read -r notes; do
  gcov -n "$notes" 2>/dev/null
done | awk -v least="$least" '
  /^File / { file = $2; gsub("\047", "", file); counted = file ~ /csrc\/(ops|runtime)\/cuda\/.*\.cpp$/ }
  /^Lines executed:/ && counted {
    split($0, part, /[:% ]+/)
    lines = part[length(part)]
    all += lines; executed += part[3] * lines / 100
    sub(/.*csrc\//, "", file)
    printf "%6.1f %% of %4d  %s\n", part[3], lines, file
    counted = 0
  }
  END {
    if (all == 0) { print "coverage: nothing was measured"; exit 1 }
    share = 100 * executed / all
    printf "%6.1f %% of %4d host lines of csrc/ops/cuda and csrc/runtime/cuda were executed\n", share, all
    exit share < least
  }'
