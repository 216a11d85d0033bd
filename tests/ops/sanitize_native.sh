#!/bin/sh
# Run the tests of the native kernels against a build with the address and undefined-behaviour sanitizers.
#     PYTHON=python tests/ops/sanitize_native.sh
set -eu
cd "$(dirname "$0")/../.."
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
export NC_TRAINER_CACHE="$cache"
export NC_TRAINER_CXXFLAGS="-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined"
# Python and torch leak at exit by design; the engine's library is loaded late, hence the preloads.
export ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc
LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so) $(g++ -print-file-name=libstdc++.so)" \
    "${PYTHON:-python}" -m pytest -q -p no:cacheprovider \
    tests/ops/test_native_engine.py tests/ops/test_attention.py "$@"
