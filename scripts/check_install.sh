#!/usr/bin/env bash
# Installs a build tree into a fresh prefix, then builds and runs tests/install against it, as somebody
# would who knows no more than find_package(lamina).
#   scripts/check_install.sh BUILD_TREE SCRATCH
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly tree="$PWD/$1" scratch="$PWD/$2"
rm -rf "$scratch"
mkdir -p "$scratch"
cmake --install "$tree" --prefix "$scratch/prefix" >/dev/null
"$scratch/prefix/bin/lamina" --version
cmake -S tests/install -B "$scratch/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$scratch/prefix"
cmake --build "$scratch/build"
cd "$scratch" && build/consumer
