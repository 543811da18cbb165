#!/usr/bin/env bash
# What scripts/run_gpu_checks.sh makes of a bundle's programs, with others in their place.
#   checks_test.sh SCRIPT
set -uo pipefail
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
readonly folder script="$1"
readonly programs=(lamina test_runtime test_gpu test_cudnn bench_train bench_gpu compute-sanitizer)
failures=0

# A bundle whose programs do nothing but those that are named, each with what it does.
bundle() {  # [PROGRAM WORDS]...
  rm -rf "$folder/bundle"
  mkdir -p "$folder/bundle/bin" "$folder/bundle/data" "$folder/lib"
  cp "$script" "$folder/bundle/"
  echo tested >"$folder/bundle/version.txt"
  tar -C "$folder" -czf "$folder/bundle/lib.tar.gz" lib
  local program
  for program in "${programs[@]}"; do is "$program" ':'; done
  while [ $# -gt 0 ]; do
    is "$1" "$2"
    shift 2
  done
}
is() {  # PROGRAM WORDS
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$folder/bundle/bin/$1"
  chmod +x "$folder/bundle/bin/$1"
}
run() {  # SECONDS [CHECK...]: leaves `status` and `took`
  local start=$SECONDS
  status=0
  LAMINA_GPU_SECONDS="$1" PATH="$folder/bundle/bin:$PATH" "$folder/bundle/run_gpu_checks.sh" "${@:2}" \
    >"$folder/out" 2>&1 || status=$?
  took=$((SECONDS - start))
}
expect() {  # WHAT GOT WANTED
  [ "$2" != "$3" ] || return 0
  printf 'FAILED: %s: %s, expected %s\n' "$1" "$2" "$3"
  cat "$folder/out"
  failures=$((failures + 1))
}
summary() {  # PYTHON, of what results/summary.json holds
  python3 -c "import json, sys; s = json.load(open(sys.argv[1])); print($1)" "$folder/bundle/results/summary.json"
}
readonly verdicts='" ".join(c["check"] + ":" + c["verdict"] for c in s["checks"])'

bundle
run 60
expect "status, when all pass" $status 0
expect "what passed" "$(summary 's["passed"], s["skipped"], s["failed"], s["not_measured"]')" "9 0 0 0"

bundle test_cudnn 'exit 3'
run 60
expect "status, when one fails" $status 1
expect "what failed" "$(summary '[c["check"] for c in s["checks"] if c["verdict"] == "FAILED"]')" "['cudnn_plans']"

bundle test_gpu 'printf "[ RUN      ] A.B\n[  FAILED  ] A.B, where GetParam() = 3 (1 ms)\n[ RUN      ] C.D/1\n"
printf "[       OK ] C.D/1 (0 ms)\n[ RUN      ] E.F\n[  SKIPPED ] E.F (0 ms)\n[ RUN      ] G.H\n"
printf "died of"; exit 1'
run 60 gpu
expect "status, when tests fail" $status 1
expect "their names" "$(summary '[c["failed"] for c in s["checks"]]')" "[['A.B', 'G.H (did not end)']]"
expect "their names in the table" "$(sed -n 's/^  //p' "$folder/out" | paste -sd ,)" 'A.B,G.H (did not end)'

is nvidia-smi 'echo 2100'
is test_gpu 'echo "in $GTEST_TOTAL_SHARDS parts"'
run 60 gpu
rm "$folder/bundle/bin/nvidia-smi"
expect "parts on a small device" "$(sort -u "$folder/bundle/results/gpu.log" | tr -d '\n')" "in 1 parts"

bundle test_gpu 'echo "warning: cuDNN (libcudnn.so.9) was not found: kernels take its place" >&2'
run 60 gpu
expect "the library that was not there" "$(summary 's["passed"], s["not_found"]')" "1 ['cuDNN']"
expect "the same in the table" "$(grep -c '^cuDNN (libcudnn.so.9) was not found$' "$folder/out")" 1
bundle
run 60 gpu
expect "that all were there" "$(summary 's["not_found"]')" "[]"

is nvidia-smi 'case "$1" in *compute_mode*) echo Exclusive_Process ;; *) echo 140000 ;; esac'
is test_gpu 'echo "in $GTEST_TOTAL_SHARDS parts"'
run 60 gpu
rm "$folder/bundle/bin/nvidia-smi"
expect "parts of a device that takes one process" "$(sort -u "$folder/bundle/results/gpu.log" | tr -d '\n')" "in 1 parts"

bundle test_runtime 'printf "[ RUN      ] A.B\n"; exec sleep 30'
run 3 runtime
expect "the name of the test that hangs" "$(summary 's["checks"][0]["failed"]')" "['A.B (did not end)']"

bundle test_gpu 'test -d "$LAMINA_KERAS_CASES"'
run 60 gpu
expect "status, when the data are there" $status 0

bundle
run 60 gpu bench
expect "status of two" $status 0
expect "what ran" "$(summary "$verdicts")" "gpu:passed bench:passed"

bundle lamina 'echo "no GPU here: none"' test_gpu 'echo "no GPU here: none"'
run 60
expect "status without a GPU" $status 77
expect "what was skipped" "$(summary 's["skipped"]')" 2

bundle test_gpu 'trap "" TERM; exec sleep 30'
run 3 devices gpu runtime
expect "status, when a check hangs" $status 1
expect "its verdict" "$(summary 's["failed"], [c["check"] for c in s["checks"] if c["verdict"] == "passed"]')" \
  "1 ['devices', 'runtime']"
expect "whether it was stopped" $((took < 20)) 1

bundle bench_gpu 'sleep 30'
run 3 runtime bench
expect "status, when there is no time to measure" $status 0
expect "its verdict" "$(summary "$verdicts")" "runtime:passed bench:no time"

[ $failures -eq 0 ] && echo "all as expected"
