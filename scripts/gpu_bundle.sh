#!/usr/bin/env bash
# Makes one directory that holds what a machine with a GPU needs to check and measure Lamina: the
# tests, the command, the bench, and every library but the driver, cuBLAS, cuDNN and glibc (2.36 or
# newer).
#   scripts/gpu_bundle.sh [BUILD [DIRECTORY]]   build/release and build/gpu_bundle by default
# There, without network: DIRECTORY/run_gpu_checks.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly from="${1:-build/release}" to="${2:-build/gpu_bundle}"
readonly programs=(test_gpu test_runtime test_cudnn bench_gpu bench_gradients bench_train lamina)
readonly left_out='lib(cuda|cudnn|cublas|c|m|mvec|dl|rt|pthread|resolv)[._]|ld-linux|linux-vdso'

rm -rf "$to"
mkdir -p "$to/bin" "$to/lib" "$to/data"
for program in "${programs[@]}"; do cp "$from/bin/$program" "$to/bin/"; done
cp "$from/bin/gpu_peers.py" "$from/bin/train_peers.py" "$to/bin/"
cp tests/cudnn/data/*.json tests/layers/data/keras_cases.json "$to/data/"
# Names as the programs ask for them, whatever links lead there.
for program in "${programs[@]}"; do ldd "$from/bin/$program"; done |
  awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u | while read -r name path; do
  [[ "$name" =~ $left_out ]] || cp -L "$path" "$to/lib/$name"
done
for program in "${programs[@]}"; do strip --strip-unneeded "$to/bin/$program"; done
strip --strip-unneeded "$to"/lib/*
tar -C "$to" -czf "$to/lib.tar.gz" lib && rm -r "$to/lib"
cp scripts/run_gpu_checks.sh "$to/"
git describe --always --dirty >"$to/version.txt" 2>/dev/null || echo unknown >"$to/version.txt"

size=$(du -sm "$to" | cut -f1)
echo "$to: $size MB"
[ "$size" -le 60 ] || { echo "gpu_bundle: more than 60 MB" >&2; exit 1; }
