# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts that run moe_train: what a user sources, a folder that goes away, ranks, figures of a run.

# shellcheck source=launch/env.sh
source "$MOE_SOURCE/launch/env.sh"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir given

# Sizes that make a step a millisecond.
small=(--hidden 16 --word-dim 16 --char-dim 8 --char-filters 8 --expert-hidden 16 --batch 16)
# A run that hangs is stopped after so many seconds, with exit code 124.
limit=60

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# train RANKS ARGUMENTS...: moe_train by itself, or on several ranks
train() {
    local ranks=$1 launcher=()
    shift
    ((ranks == 1)) || launcher=(mpirun -np "$ranks")
    timeout "$limit" "${launcher[@]}" "$MOE_BIN/moe_train" "$@"
}

# final DIR FIELD: a value of the last line of metrics.jsonl
final() {
    tail -n 1 "$1/metrics.jsonl" | sed -nE "s/^\{\"event\": \"final\",.*\"$2\": \"?([^\",}]*)[\",}].*/\1/p"
}

# same_score SPLIT DIR: moe_score finds in the predictions what the run says of itself
same_score() {
    local said found
    said=$(final "$2" "$1_f1")
    found=$("$MOE_BIN/moe_score" "$2/$1.predicted.conll" | sed -nE 's/^accuracy.*FB1: *//p')
    [[ -n $said && $(printf %.2f "$said") == "$found" ]] || fail "$2: $1_f1 $said, moe_score $found"
}
