#!/bin/sh
# Run the tests of the native kernels against a build with the address and undefined-behaviour sanitizers, once for each
# instruction set that this CPU has or emulates (arguments of this script go to pytest).
#     PYTHON=python LEVELS="amx avx2" tests/int8/ops/sanitize_native.sh
set -eu
cd "$(dirname "$0")/../../.."
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
export NC_TRAINER_CACHE="$cache"
sanitizers="-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined"
export NC_TRAINER_CXXFLAGS="-g -O1 -fno-omit-frame-pointer $sanitizers -DNC_EMULATE_AMX -DNC_EMULATE_AVX_VNNI"
# Python and torch leak at exit by design; the engine's library is loaded late, hence the preloads.
export ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc
preloads="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so) $(g++ -print-file-name=libstdc++.so)"
for level in ${LEVELS:-avx2 avx_vnni avx512_vnni amx}; do
    echo "== $level"
    NC_TRAINER_ISA=$level LD_PRELOAD="$preloads" "${PYTHON:-python}" -m pytest -q -p no:cacheprovider \
        tests/int8/ops/test_native_engine.py tests/int8/ops/native_level.py tests/int8/ops/test_packing.py \
        tests/int8/ops/test_attention.py tests/int8/ops/test_float_linear.py tests/int8/nn/test_float_columns.py "$@"
done
