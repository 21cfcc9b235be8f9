#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The number of ranks changes nothing but the time: weights, figures and predictions of a run are equal to the last bit.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

"$MOE_BIN/moe_corpus" --out given --sentences 200 --overwrite >/dev/null
awk 'NF && NR % 3 { print tolower($1), NR % 7 / 7, NR % 5 / 5 - .5, NR % 11 / 11, NR % 3 - 1 }' \
    given/train.conll | sort -u -k 1,1 >given/vectors
# Five batches to score, so that every rank has one; the test file is one batch, for a single rank.
cat given/*.conll >given/all
common=(--train given/train.conll --dev given/all --test given/test.conll "${small[@]}" --lr 0.03
    --dropout 0.3 --epochs 4 --log-every 5 --progress none)

# run NAME RANKS ARGUMENTS...: a run of 50 steps or more into the folder NAME
run() {
    local name=$1 ranks=$2
    shift 2
    train "$ranks" "${common[@]}" --out "$name" "$@" >log 2>&1 || fail "$name: exit code $?: $(<log)"
    (($(final "$name" step) >= 50)) || fail "$name: $(final "$name" step) steps"
}

declare -A owner # of a digest: no two of these runs are equal
differs() {
    local digest
    digest=$(final "$1" digest)
    [[ $digest =~ ^[0-9a-f]{64}$ ]] || fail "$1: digest '$digest'"
    [[ -z ${owner[$digest]-} ]] || fail "$1 has the digest of ${owner[$digest]}"
    owner[$digest]=$1
}

# invariant NAME ARGUMENTS...: the same run on 1 to 4 ranks
invariant() {
    local name=$1 ranks
    shift
    for ranks in 1 2 3 4; do
        run "$name-$ranks" "$ranks" --groups 8 "$@"
        same_run "$name-1" "$name-$ranks"
    done
    differs "$name-1"
}

invariant moe --experts 8 --top-k 2 --capacity-factor 1.25
invariant tight --experts 5 --top-k 1 --capacity-factor 0.5 --min-capacity 1
invariant unlimited --experts 3 --top-k 3 --capacity-factor 0 --second-expert all
invariant dense --ffn dense --clip 0.5
invariant none --ffn none --vectors given/vectors --word-dim 0 --word-dim 4
invariant sgd --optimizer sgd --lr 0.05 --momentum 0.8 --weight-decay 0.001
invariant deep --layers 2 --cap-dim 4 --jitter 0.1 --z-loss 0.01 --second-expert conserve
invariant average --optimizer adamw --weight-decay 0.01 --average 0.99 --warmup 20 --unknown 1
# The last batch of an epoch has 2 sentences for 8 groups: most ranks have none.
invariant idle --batch 9 --dropout 0

run moe-again 2 --groups 8 --experts 8 --top-k 2 --capacity-factor 1.25
same_run moe-1 moe-again
run moe-8 8 --groups 8 --experts 8 --top-k 2 --capacity-factor 1.25
same_run moe-1 moe-8
# How experts are spread over ranks changes nothing either.
for size in 1 2 4; do
    run "tight-of-$size" 4 --groups 8 --ep-size $size --experts 5 --top-k 1 --capacity-factor 0.5 --min-capacity 1
    same_run tight-1 "tight-of-$size"
done
run moe-seed 2 --groups 8 --experts 8 --top-k 2 --capacity-factor 1.25 --seed 2
differs moe-seed
run moe-groups 2 --groups 4 --experts 8 --top-k 2 --capacity-factor 1.25
differs moe-groups
# The weights of moe-1, and an average of them beside: the state of the optimiser is in the digest.
run moe-average 2 --groups 8 --experts 8 --top-k 2 --capacity-factor 1.25 --average 0.99
differs moe-average

# What is compared is no empty thing: choices are dropped, entities found and missed.
awk -F'"drop_rate": ' '$1 ~ /"epoch"/ && $2 + 0 < 0.05 { exit 1 }' tight-1/metrics.jsonl ||
    fail "tight: no drops"
! grep -q '"drop_rate": [^0]' unlimited-1/metrics.jsonl || fail "unlimited: drops"
grep -q ' B-[A-Z]*$' moe-1/dev.predicted.conll || fail "moe: no entity was predicted"
same_score dev moe-4
same_score test moe-4
