#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install the component `codegen` into a scratch folder and build a project of somebody else with it.
# usage: test_install.sh BUILD CMAKE_DIR
set -euo pipefail
build=$1 cmake_dir=$2
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }

cmake --install "$build" --component codegen --prefix "$scratch/prefix" >/dev/null
[ -x "$scratch/prefix/bin/protoc-gen-parley-c" ] || fail 'the generator is not installed'
[ -f "$scratch/prefix/include/parley/stub.h" ] || fail 'parley/stub.h is not installed'

cmake -S "$here/outside" -B "$scratch/build" -G Ninja "-DPARLEY_PREFIX=$scratch/prefix" \
    "-DPARLEY_CMAKE_DIR=$cmake_dir" "-DPARLEY_PROTOS=$here/protos" >/dev/null
cmake --build "$scratch/build" >"$scratch/log" || { cat "$scratch/log"; fail 'the project does not build'; }
cmake --build "$scratch/build" | grep -q 'no work to do' || fail 'a second build has work to do'
for library in kinds kinds_client kinds_server; do
    [ -f "$scratch/build/lib$library.a" ] || fail "lib$library.a is missing"
done

# A .proto that changed is generated again.
cp -r "$here/protos" "$scratch/protos"
cmake -S "$here/outside" -B "$scratch/build" "-DPARLEY_PROTOS=$scratch/protos" >/dev/null
cmake --build "$scratch/build" >/dev/null
sed -i 's/rpc Unary(/rpc Renamed(/' "$scratch/protos/kinds.proto"
cmake --build "$scratch/build" >/dev/null
grep -rq 'kinds_v1_Kinds_Renamed_async' "$scratch/build/kinds" || fail 'the change was not generated'
echo 'the installed generator works'
