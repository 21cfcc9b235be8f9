#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Training speed against another program, in turn: ours, theirs, ours, theirs, ..., and the ratio pair by pair.
set -euo pipefail

usage="usage: tests/bench/pairs.sh PAIRS TRAIN DEV VECTORS STEPS [TRAIN-ARGUMENT ...] -- PEER ARGUMENT ...

Runs build/release/moe_train for STEPS steps (one thread), then the peer's command, PAIRS times.
The peer prints a line with \"tokens_per_s\": NUMBER, of training alone. Example:

  tests/bench/pairs.sh 5 eng.train eng.testa glove.txt 200 --batch 32 -- \\
      python3 peer.py --train eng.train --vectors glove.txt --batch 32 --max-batches 200"

if [ $# -lt 7 ]; then
    echo "$usage" >&2
    exit 2
fi
launch=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../launch" && pwd)
# shellcheck source=launch/env.sh
source "$launch/env.sh"
program=$launch/../build/release/moe_train
pairs=$1 train=$2 dev=$3 vectors=$4 steps=$5
shift 5
own=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    own+=("$1")
    shift
done
shift

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
speed() {
    sed -n 's/.*"tokens_per_s": *\([0-9.]*\).*/\1/p' "$1" | tail -n 1
}
for ((i = 1; i <= pairs; i++)); do
    "$program" --train "$train" --dev "$dev" --vectors "$vectors" --out "$out/run" --overwrite --epochs 1 \
        --max-steps "$steps" --progress none "${own[@]}" >/dev/null
    grep '"event": "epoch"' "$out/run/metrics.jsonl" >"$out/ours"
    "$@" >"$out/theirs"
    printf '%d  ours %7.0f tokens/s  peer %7.0f tokens/s  ratio %.2f\n' "$i" "$(speed "$out/ours")" \
        "$(speed "$out/theirs")" "$(echo "$(speed "$out/ours") $(speed "$out/theirs")" | awk '{print $1 / $2}')"
done
