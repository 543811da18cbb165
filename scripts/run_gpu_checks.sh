#!/usr/bin/env bash
# Runs the checks of a bundle (see gpu_bundle.sh) on the GPU of this machine, in at most 8 minutes.
# Leaves results/summary.json, a short table on standard output, and a log a check.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
[ -d lib ] || tar -xzf lib.tar.gz || exit 1
export LD_LIBRARY_PATH="$PWD/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
mkdir -p results
readonly deadline=$((SECONDS + 470))
rows=()
failed=0

check() {  # NAME COMMAND...: runs it within the time that is left
  local name="$1" start=$SECONDS verdict=passed left=$((deadline - SECONDS))
  shift
  if [ $left -le 0 ]; then
    verdict="no time"
  else
    LAMINA_RESULTS="$PWD/results" timeout "$left" "$@" >"results/$name.log" 2>&1 || verdict=FAILED
    if [ $verdict = passed ] && grep -q 'no GPU here:' "results/$name.log"; then verdict=skipped; fi
  fi
  [ "$verdict" = passed ] || [ "$verdict" = skipped ] || failed=1
  printf '%-28s %-8s %4d s\n' "$name" "$verdict" $((SECONDS - start))
  rows+=("{\"check\": \"$name\", \"verdict\": \"$verdict\", \"seconds\": $((SECONDS - start))}")
}

check devices bin/lamina devices
check runtime bin/test_runtime
check models bin/test_gpu --gtest_filter='GpuModel.*'
check ops bin/test_gpu --gtest_filter='*GpuContract*'
check cudnn_plans bin/test_cudnn --gtest_filter='*Edge*'
if command -v compute-sanitizer >/dev/null; then
  check sanitizer compute-sanitizer --error-exitcode 1 bin/test_gpu \
    --gtest_filter='*GpuContract*float32:-*Unary_*:*Binary_*'
else
  echo "compute-sanitizer is not installed: not run"
fi

device=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1)
{
  printf '{"version": "%s", "device": "%s", "date": "%s",\n "checks": [\n  ' \
    "$(cat version.txt)" "${device:-none}" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  (IFS=$'\n'; echo "${rows[*]}" | sed '$!s/$/,/; 2,$s/^/  /')
  echo ' ]}'
} >results/summary.json
exit $failed
