#!/usr/bin/env bash
# Runs the checks and the bench of a bundle (see gpu_bundle.sh) on the GPU of this machine, in at most
# 6 minutes, so that a run and another fit a quarter of an hour. Leaves results/summary.json, results/gpu.json,
# results/train_*.json, a log a check, and a short table on standard output, with the name of each test that failed.
# Exit status: 0 when all passed, 1 when something failed, 77 when all that needs a GPU was skipped because there is
# none. What is measured comes last; what there is no time left to measure is told, and is no failure.
#   run_gpu_checks.sh [CHECK...]   only these: devices runtime gpu cudnn_plans memcheck racecheck train_float32
#                                  train_mixed_bfloat16 bench
#   LAMINA_GPU_SECONDS   for all of it (350)
#   LAMINA_PYTHON   a Python with torch, torchvision and safetensors, to measure beside (none)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
# At once or not at all: what was interrupted here is done again.
if [ ! -d lib ]; then
  rm -rf unpacked && mkdir unpacked && tar -C unpacked -xzf lib.tar.gz && mv unpacked/lib lib && rmdir unpacked ||
    exit 1
fi

# cuDNN and cuBLAS may have come with Python's packages alone, or with a toolkit that the system's loader knows nothing of.
python_libraries() {
  "${LAMINA_PYTHON:-python3}" - 2>/dev/null <<'END'
import glob, sys
folders = [f for p in sys.path for f in glob.glob(p + "/nvidia/*/lib")]
print(":".join(folders))
END
}
libraries="$PWD/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
found=$(python_libraries) && [ -n "$found" ] && libraries="$libraries:$found"
for folder in /usr/local/cuda/lib64 /usr/local/cuda-13*/lib64; do
  [ ! -d "$folder" ] || libraries="$libraries:$folder"
done
export LAMINA_DEVICE_DESCRIPTIONS="$PWD/data" LAMINA_KERAS_CASES="$PWD/data"
mkdir -p results
readonly deadline=$((SECONDS + ${LAMINA_GPU_SECONDS:-350})) wanted=("$@")
rows=() logs=()
passed=0 skipped=0 failed=0 unmeasured=0

within() {  # SECONDS COMMAND...
  local words=(timeout -k 5 "$1")
  shift
  [ "$1" != sharded ] || { words=(sharded "${words[@]}"); shift; }
  LD_LIBRARY_PATH="$libraries" LAMINA_RESULTS="$PWD/results" "${words[@]}" "$@"
}

is_wanted() {  # NAME
  local each
  [ ${#wanted[@]} -gt 0 ] || return 0
  for each in "${wanted[@]}"; do [ "$each" != "$1" ] || return 0; done
  return 1
}

# The tests of a log that failed, and those that began and never came to an end.
failed_tests() {  # LOG
  awk '
    function is_left() { if (begun != "" && !seen[begun]++) print begun " (did not end)"; begun = "" }
    /^\[ RUN      \] / { is_left(); begun = $4 }
    /^\[       OK \] / || /^\[  SKIPPED \] / { begun = "" }
    /^\[  FAILED  \] / && $4 !~ /^[0-9]+$/ { sub(/,$/, "", $4); if (!seen[$4]++) print $4; begun = "" }
    END { is_left() }' "$1"
}

# Runs it within so many seconds of the time that is left: one that hangs leaves the others theirs.
run() {  # SECONDS NAME COMMAND...: leaves `verdict`
  local most="$1" name="$2" start=$SECONDS left=$((deadline - SECONDS)) status=0 names=
  shift 2
  verdict="no time"
  [ $left -le "$most" ] || left=$most
  if [ $left -gt 0 ]; then
    logs+=("results/$name.log")
    within "$left" "$@" >"results/$name.log" 2>&1 || status=$?
    case $status in
      0) verdict=passed ;;
      124 | 137) ;;  # stopped by its time
      *) verdict=FAILED ;;
    esac
    if [ "$verdict" = passed ] && grep -q 'no GPU here:' "results/$name.log"; then verdict=skipped; fi
    case "$verdict" in FAILED | "no time") names=$(failed_tests "results/$name.log") ;; esac
  fi
  printf '%-20s %-8s %4d s\n' "$name" "$verdict" $((SECONDS - start))
  if [ -n "$names" ]; then printf '%s\n' "$names" | head -n 40 | sed 's/^/  /'; fi
  rows+=("{\"check\": \"$name\", \"verdict\": \"$verdict\", \"seconds\": $((SECONDS - start)), \"failed\": [$(
    if [ -n "$names" ]; then printf '%s\n' "$names" | sed 's/.*/"&"/' | paste -sd ,; fi)]}")
}

check() {  # SECONDS NAME COMMAND...
  is_wanted "$2" || return 0
  run "$@"
  case "$verdict" in
    passed) passed=$((passed + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
}

measure() {  # SECONDS NAME COMMAND...: as check, but that time is short is no failure
  is_wanted "$2" || return 0
  run "$@"
  case "$verdict" in
    passed) passed=$((passed + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
    "no time") unmeasured=$((unmeasured + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
}

# How many processes share the device well: each takes a core, and 2 GiB for its context, the libraries' and tests'.
parts_of_the_device() {
  local parts=12 memory mode
  memory=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2>/dev/null | head -n 1)
  mode=$(nvidia-smi --query-gpu=compute_mode --format=csv,noheader 2>/dev/null | head -n 1)
  [ "$mode" != Exclusive_Process ] || { echo 1; return; }
  [ "$(nproc)" -ge $parts ] || parts=$(nproc)
  if [[ "$memory" =~ ^[0-9]+$ ]] && [ $((memory / 2048)) -lt "$parts" ]; then parts=$((memory / 2048)); fi
  echo $((parts > 1 ? parts : 1))
}

# A test program in as many parts; the log has all of theirs.
sharded() {  # PROGRAM ARGUMENT...
  local parts status=0 part jobs=()
  parts=$(parts_of_the_device)
  for ((part = 0; part < parts; part++)); do
    OMP_NUM_THREADS=2 GTEST_TOTAL_SHARDS=$parts GTEST_SHARD_INDEX=$part "$@" >"results/part$part" 2>&1 &
    jobs+=($!)
  done
  for part in "${jobs[@]}"; do wait "$part" || status=1; done
  for ((part = 0; part < parts; part++)); do
    cat "results/part$part"
    echo  # one that was stopped may have ended within a line
    rm "results/part$part"
  done
  return $status
}

check 20 devices bin/lamina devices
check 60 runtime bin/test_runtime
check 180 gpu sharded bin/test_gpu
check 60 cudnn_plans bin/test_cudnn --gtest_filter='*Edge*'
if command -v compute-sanitizer >/dev/null; then
  # Kernels of ours; those of the libraries take minutes.
  check 90 memcheck sharded compute-sanitizer --error-exitcode 1 bin/test_gpu \
    --gtest_filter='*GpuContract*_float32:*GpuContract*_bfloat16:*GpuOptimizer*:-*Conv*:*Dense*:*MatMul*'
  check 60 racecheck sharded compute-sanitizer --tool racecheck --error-exitcode 1 bin/test_gpu \
    --gtest_filter='*GpuContract*/BatchNorm*_bfloat16:*GpuContract*/*Reduce*_float32:*GpuContract*/BiasGradient_float32'
else
  echo "compute-sanitizer is not installed: not run"
fi
for policy in float32 mixed_bfloat16; do
  [ $policy = float32 ] && only=(--steps-only) || only=()
  measure 90 "train_$policy" bin/bench_train "${only[@]}" --device cuda:0 --policy $policy --cases convnet:256:32,EfficientNetV2B0:64:224 \
    --engines "lamina${LAMINA_PYTHON:+,torch}" --torch-python "${LAMINA_PYTHON:-none}" --rounds 1 --steps 50 --seconds 2 \
    --directory results --json "results/train_$policy.json"
done
rm -rf results/steps
# Inference takes what time is left, shared with PyTorch's if that is there.
budget=$(((deadline - SECONDS - 120) / 2))
[ $budget -ge 0 ] || budget=0
measure 470 bench bin/bench_gpu --seconds 1 --layers 8 --budget $budget --directory results --json results/gpu.json \
  ${LAMINA_PYTHON:+--python "$LAMINA_PYTHON"}

# Kernels of ours have taken its place, and what passed says nothing of it.
without=$(grep -hoE '(cuDNN|cuBLASLt) \([^)]*\) was not found' /dev/null "${logs[@]}" | sort -u)
device=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1)
{
  printf '{"version": "%s", "device": "%s", "date": "%s",\n' \
    "$(cat version.txt)" "${device:-none}" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  printf ' "passed": %d, "skipped": %d, "failed": %d, "not_measured": %d,\n' $passed $skipped $failed $unmeasured
  printf ' "not_found": [%s],\n "checks": [\n  ' "$([ -z "$without" ] || sed 's/ (.*//; s/.*/"&"/' <<<"$without" | paste -sd ,)"
  (IFS=$'\n'; echo "${rows[*]}" | sed '$!s/$/,/; 2,$s/^/  /')
  echo ' ]}'
} >results/summary.json
if [ -n "$without" ]; then printf '%s\n' "$without"; fi
if [ -f results/gpu.json ]; then sed -n '/|/p' results/bench.log; fi
printf '%d passed, %d skipped, %d failed, %d not measured for want of time' $passed $skipped $failed $unmeasured
if [ $skipped -gt 0 ]; then printf ': %s' "$(grep -h -o -m 1 'no GPU here:.*' results/*.log | head -n 1)"; fi
echo
[ $failed -eq 0 ] || exit 1
[ $skipped -eq 0 ] || exit 77
