#!/usr/bin/env bash
# The main job: installs what is missing, builds Lamina and runs the example of Keras's documentation
# (EfficientNetV2L saved in one file and in shards, loaded twice, predictions equal to the bit); then trains
# a small convnet on handwritten digits.
# Its files (1 GB) go to the directory given, else to one that is removed afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh build
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
cmake --preset release -DLAMINA_BUILD_TESTS=OFF -DLAMINA_BUILD_BENCH=OFF -B build/demo >/dev/null
cmake --build build/demo -j "$(nproc)" --target example_efficientnet_v2l example_digits lamina_cli

if [ $# -ge 1 ]; then
  mkdir -p "$1"
  directory="$1"
else
  directory="$(mktemp -d "${TMPDIR:-/tmp}/lamina-demo.XXXXXX")"
  trap 'rm -rf "$directory"' EXIT
fi
build/demo/bin/example_efficientnet_v2l "$directory"
build/demo/bin/example_digits "$directory/digits"
