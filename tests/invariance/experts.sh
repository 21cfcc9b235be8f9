#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# However experts and groups are spread over ranks, a run ends with the same weights to the last bit.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

"$MOE_BIN/moe_corpus" --out given --sentences 160 --overwrite >/dev/null
common=(--train given/train.conll --dev given/dev.conll "${small[@]}" --groups 8 --min-capacity 1
    --dropout 0.3 --epochs 5 --progress none)

# run NAME RANKS ARGUMENTS...: a run into the folder NAME
run() {
    local name=$1 ranks=$2
    shift 2
    train "$ranks" "${common[@]}" --out "$name" "$@" >log 2>&1 || fail "$name: exit code $?: $(<log)"
}

# same A B: two runs are one
same() {
    [[ $(final "$1" digest) == "$(final "$2" digest)" ]] || fail "$1 and $2 have two digests"
}

declare -A owner # of a digest: no two cases are equal
# invariant NAME "RANKS[/EP-SIZE]..." ARGUMENTS...: the same run on one rank and on these
invariant() {
    local name=$1 world digest
    local -a worlds set
    read -ra worlds <<<"$2"
    shift 2
    run "$name-1" 1 "$@"
    (($(final "$name-1" step) >= 50)) || fail "$name: $(final "$name-1" step) steps"
    digest=$(final "$name-1" digest)
    [[ $digest =~ ^[0-9a-f]{64}$ ]] || fail "$name: digest '$digest'"
    [[ -z ${owner[$digest]-} ]] || fail "$name has the digest of ${owner[$digest]}"
    owner[$digest]=$name
    for world in "${worlds[@]}"; do
        set=()
        [[ $world != */* ]] || set=(--ep-size "${world#*/}")
        run "$name-${world/\//-of-}" "${world%/*}" "$@" "${set[@]}"
        same "$name-1" "$name-${world/\//-of-}"
    done
}

# drops NAME YES: were choices dropped in the first epoch?
drops() {
    local rate
    rate=$(sed -nE '/"epoch": 1,/s/.*"drop_rate": ([^,]*),.*/\1/p' "$1/metrics.jsonl")
    awk -v rate="$rate" -v yes="$2" 'BEGIN { exit rate == "" || (rate > 0) != yes }' ||
        fail "$1: drop rate '$rate'"
}

all="2 3 4 4/2 4/1 8"
invariant base "4/2 4/1" --experts 8 --top-k 2 --capacity-factor 1.25
invariant one "$all" --experts 5 --top-k 1 --capacity-factor 1.25 --optimizer sgd --lr 0.05
invariant tight "$all" --experts 8 --top-k 1 --capacity-factor 0.5 --jitter 0.1 --z-loss 0.01
# On 8 ranks in one set three have no expert.
invariant deep "$all 8/8" --experts 5 --top-k 2 --capacity-factor 0.5 --layers 2
invariant free "2 4/2 8" --experts 8 --top-k 2 --capacity-factor 0 --optimizer sgd --lr 0.05
invariant switch "3 4/1 8" --experts 5 --top-k 1 --capacity-factor 0
invariant dense "8" --ffn dense
invariant none "8" --ffn none --optimizer sgd --lr 0.05
drops tight-1 1
drops deep-1 1
drops free-1 0
drops switch-1 0

for again in 2 3 4 5; do
    run "again-$again" 4 --experts 5 --top-k 2 --capacity-factor 0.5 --layers 2
    same deep-1 "again-$again"
done

# MPI's own order of adding gives other bits and, for a while, the same loss.
for sum in tree mpi; do
    run "$sum" 3 --experts 5 --capacity-factor 1.25 --max-steps 20 --sum "$sum"
done
[[ $(final tree digest) != "$(final mpi digest)" ]] || fail "--sum mpi adds as --sum tree does"
loss() {
    sed -nE 's/.*"event": "epoch".*"loss": ([^,]*),.*/\1/p' "$1/metrics.jsonl" | tail -n 1
}
awk -v tree="$(loss tree)" -v mpi="$(loss mpi)" 'BEGIN {
    far = (tree - mpi) / tree
    exit !(tree > 0 && far < 1e-3 && far > -1e-3)
}' || fail "loss $(loss tree) with --sum tree, $(loss mpi) with --sum mpi"
