#!/usr/bin/env bash
# Installs a build tree into a fresh prefix, then builds and runs tests/install against it, as somebody
# would who knows no more than find_package(lamina); then against the build tree.
#   scripts/check_install.sh BUILD_TREE SCRATCH
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly tree="$PWD/$1" scratch="$PWD/$2"
rm -rf "$scratch"
mkdir -p "$scratch"
cmake --install "$tree" --prefix "$scratch/prefix" >/dev/null
"$scratch/prefix/bin/lamina" --version
consumer() {  # FOLDER CMAKE ARGUMENT...
  cmake -S tests/install -B "$scratch/$1" -G Ninja -DCMAKE_BUILD_TYPE=Release "${@:2}"
  cmake --build "$scratch/$1"
}
# Configured alone: as a part of another project, where nothing but the library is wanted.
cmake -S tests/install/as_part -B "$scratch/as_part" -G Ninja -DLAMINA_CUDA=OFF -DCMAKE_DISABLE_FIND_PACKAGE_CLI11=ON
# What is installed has to do without the build tree, which can be found as well.
consumer build -DCMAKE_PREFIX_PATH="$scratch/prefix"
consumer of_build_tree -Dlamina_DIR="$tree"
cd "$scratch" && build/consumer
