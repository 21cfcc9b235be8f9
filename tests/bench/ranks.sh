#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Training speed of two settings of ours, in turn: A, B, A, B, ..., the ratio B / A pair by pair, and whether the bits are equal.
set -euo pipefail

usage="usage: tests/bench/ranks.sh PAIRS 'RANKS ARGUMENTS' 'RANKS ARGUMENTS' -- ARGUMENTS OF BOTH ...

Example: one rank against two, the same groups and so the same bits:

  tests/bench/ranks.sh 5 '1' '2' -- --train eng.train --dev eng.testa --vectors glove.txt --groups 2 --max-steps 150"

if [ $# -lt 5 ] || [ "$4" != -- ]; then
    echo "$usage" >&2
    exit 2
fi
launch=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../launch" && pwd)
# shellcheck source=launch/env.sh
source "$launch/env.sh"
program=$launch/../build/release/moe_train
pairs=$1 first=$2 second=$3
shift 4
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# run NAME 'RANKS ARGUMENTS' ARGUMENTS ...
run() {
    local name=$1 own
    read -ra own <<<"$2"
    shift 2
    mpirun -np "${own[0]}" "$program" "$@" "${own[@]:1}" --epochs 1 --progress none --out "$out/$name" --overwrite \
        >/dev/null 2>"$out/err" || { cat "$out/err" >&2 && exit 1; }
}
# field NAME EVENT FIELD
field() {
    sed -n "s/.*\"event\": \"$2\".*\"$3\": \"\{0,1\}\([0-9a-f.]*\).*/\1/p" "$out/$1/metrics.jsonl" | tail -n 1
}
for ((i = 1; i <= pairs; i++)); do
    run a "$first" "$@"
    run b "$second" "$@"
    a=$(field a epoch tokens_per_s) b=$(field b epoch tokens_per_s) bits=other
    [ "$(field a final digest)" != "$(field b final digest)" ] || bits=equal
    awk -v i=$i -v a="$a" -v b="$b" -v bits=$bits \
        'BEGIN { printf "%d  A %7.0f tokens/s  B %7.0f tokens/s  B/A %.2f  bits %s\n", i, a, b, b / a, bits }'
done
