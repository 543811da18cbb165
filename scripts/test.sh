#!/usr/bin/env bash
# All tests. Installs what is missing, then runs every step below, whatever became of those before it,
# and closes with the number of checks passed and failed; logs and results stay under build/.
#   scripts/test.sh [STEP...]   only these steps; see `everyday` and `thorough` below
# LAMINA_FUZZ_SECONDS: time for each fuzz target (60). LAMINA_JOBS: parallel jobs (all cores).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
readonly jobs="${LAMINA_JOBS:-$(nproc)}" fuzz_seconds="${LAMINA_FUZZ_SECONDS:-60}"
readonly results="$PWD/build/results"
# Without arguments: the everyday steps. The thorough ones build Lamina once more each; name them.
readonly everyday=(release interop install_and_use gpu_bundle coverage fuzz format)
readonly thorough=(asan static static_cuda tsan device plans tidy)
export LAMINA_VENV="${LAMINA_VENV:-$PWD/build/venv}"
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1 CLICOLOR_FORCE=0
# As malloc without sanitizers: tests ask for more memory than there is.
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1

build() {  # PRESET [TARGET...]
  local preset="$1"
  shift
  cmake --preset "$preset" && cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"}
}

run_tests() {  # STEP PRESET [CTEST ARGUMENT...]
  local folder="$results/$1" preset="$2"
  shift 2
  mkdir -p "$folder"
  # Each GoogleTest program leaves its cases here; ctest leaves the verdict on each program.
  GTEST_OUTPUT="xml:$folder/" LAMINA_RESULTS="$folder" \
    ctest --preset "$preset" -j "$jobs" --timeout 1500 --output-junit "$folder/ctest.xml" "$@"
}

# Some cases of one program, which the tally counts with those of run_tests. None at all is a failure.
run_cases() {  # STEP PRESET PROGRAM FILTER
  local report="$results/$1/$3.xml"
  OMP_NUM_THREADS=1 timeout 1800 "build/$2/bin/$3" --gtest_filter="$4" --gtest_output="xml:$report" &&
    grep -q '<testcase' "$report"
}

release() { build release && run_tests release release -LE interop; }
interop() { build release && run_tests interop release -L interop; }
# A killed process leaves no report, and damage of all kinds is in a few samples: the many kills and damaged files of
# the release step would tell nothing more here.
asan() { build asan && LAMINA_CRASH_KILLS=100 LAMINA_DAMAGE_SAMPLES=100 run_tests asan asan -LE interop; }
# libgomp and oneDNN are not built for ThreadSanitizer: only what makes threads of its own is tested, of programs that use
# them by these cases, with loops on one thread.
tsan() {
  build tsan test_storage test_h5 test_runtime test_checkpoint test_models test_training || return
  local failed=0
  # What processes have of memory is ThreadSanitizer's own.
  LAMINA_DAMAGE_SAMPLES=100 GTEST_FILTER='-Each/Memory.*' \
    run_tests tsan tsan --timeout 2700 -R '^(storage|h5|runtime|checkpoint)$' || failed=1
  run_cases tsan tsan test_models 'AsyncWeights.*:*Manager*-*AThousandSavesInARow*' || failed=1
  run_cases tsan tsan test_training 'ReadAhead.*' || failed=1
  return $failed
}

# What a device does in 10,000 random orders, and a model of 8 GiB; both small every day.
device() {
  build release test_checkpoint &&
    LAMINA_ORDER_SEEDS="${LAMINA_ORDER_SEEDS:-10000}" LAMINA_MEMORY_MIB="${LAMINA_MEMORY_MIB:-8192}" \
      build/release/bin/test_checkpoint --gtest_output="xml:$results/device/" \
      --gtest_filter='DeviceTransfer.*:DeviceAsync.*:*Memory*'
}

# How much of what CUDA devices need runs here, without one.
coverage() {
  build coverage test_ops test_models test_runtime test_cudnn &&
    run_tests coverage coverage -R '^(ops|models|runtime|cudnn)$' &&
    scripts/coverage.sh build/coverage 60
}

# Every plan of cuDNN's for every application, not one in twenty-four.
plans() { build release test_cudnn && LAMINA_CUDNN_SHARE=1 run_tests plans release -R '^cudnn$'; }

# The static library is built without CUDA, so that such a machine is tried too.
install_and_use() { build release && scripts/check_install.sh build/release build/check/shared; }
static() { build static && scripts/check_install.sh build/static build/check/static; }
# Where there is a toolkit, one with device code. Compiled as for the shared library: ccache has most of it.
static_cuda() {
  if [ -z "$(type -P nvcc)" ]; then echo "no CUDA toolkit: nothing to build"; return; fi
  build static_cuda lamina lamina_cli && scripts/check_install.sh build/static_cuda build/check/static_cuda
}

# What goes to a machine with a GPU is made, fits its 60 MB, and starts by itself; 77: all that needs a GPU was skipped.
gpu_bundle() {
  build release && scripts/gpu_bundle.sh build/release build/check/gpu_bundle || return
  local status=0
  build/check/gpu_bundle/run_gpu_checks.sh devices runtime gpu || status=$?
  [ $status -eq 0 ] || { [ $status -eq 77 ] && grep -q 'no GPU here:' build/check/gpu_bundle/results/gpu.log; }
}

sources() { git ls-files -co --exclude-standard -- "$@" | grep -E '\.(h|cpp|cu|cuh)$'; }

format() { sources include csrc kernels tests bench | xargs clang-format --dry-run -Werror; }

# The readers of untrusted files and what all rests on.
tidy() {
  sources csrc/core csrc/storage csrc/weights csrc/h5 csrc/checkpoint csrc/cli | grep 'cpp$' |
    xargs -P "$jobs" -n 1 clang-tidy --quiet -p build/release
}

fuzz() {
  build fuzz || return
  local target name
  local -a running=()
  for target in build/fuzz/bin/fuzz_*; do
    [ -x "$target" ] || { echo "no fuzz target was built"; return 1; }
    name="$(basename "$target")"
    mkdir -p "build/corpus/$name"
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do sleep 1; done
    "$target" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="build/corpus/$name-" "build/corpus/$name" \
      "tests/fuzz/corpus/${name#fuzz_}" >"build/logs/$name.log" 2>&1 &
    running+=($!)
  done
  local failed=0
  for pid in "${running[@]}"; do wait "$pid" || failed=1; done
  tail -n 4 build/logs/fuzz_*.log
  return $failed
}

step() {  # NAME
  local name="$1" start=$SECONDS verdict=passed
  "$name" >"build/logs/$name.log" 2>&1 || verdict=FAILED
  printf '%-16s %-6s %5d s\n' "$name" "$verdict" $((SECONDS - start)) | tee -a "$results/steps.txt"
  if [ "$name" = coverage ]; then tail -n 1 "build/logs/coverage.log"; fi
  if [ "$verdict" = FAILED ]; then
    echo "--- the end of build/logs/$name.log:"
    tail -n 60 "build/logs/$name.log"
    echo "---"
  fi
}

setup_start=$SECONDS
scripts/setup.sh test || exit 1
rm -rf "$results" && mkdir -p "$results" build/logs
printf '%-16s %-6s %5d s\n' setup passed $((SECONDS - setup_start))
if [ $# -eq 0 ]; then set -- "${everyday[@]}"; fi
for name in "$@"; do step "$name"; done

if [ -n "$(type -P nvcc)" ]; then gpu="the device code was compiled"; else gpu="no CUDA toolkit: no device code was compiled"; fi
printf 'Exercised here in %d s: %s. Not exercised: the GPU (%s, none was run)%s.\n' $SECONDS "$*" "$gpu" \
  "$([ "$*" = "${everyday[*]}" ] && echo "; ${thorough[*]}")"
scripts/tally.py "$results"
