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

# figures DIR: lines of metrics.jsonl without what tells the time, the memory and the number of ranks
figures() {
    sed -E 's/"(tokens_per_s|sentences_per_s|percent_of_peak|seconds|peak_memory_mib|exchange_bytes)": [^,}]*(, )?//g' \
        "$1/metrics.jsonl" | grep -v '"event": "profile"'
}

# same_run A B: figures, digest and predictions of two runs are equal
same_run() {
    local split
    [[ $(final "$1" digest) =~ ^[0-9a-f]{64}$ ]] || fail "$1: digest '$(final "$1" digest)'"
    [[ $(final "$1" digest) == "$(final "$2" digest)" ]] || fail "$1 and $2 have two digests"
    diff <(figures "$1") <(figures "$2") >&2 || fail "$1 and $2 have other figures"
    for split in dev test; do
        [[ ! -e $1/$split.predicted.conll ]] || cmp "$1/$split.predicted.conll" "$2/$split.predicted.conll" ||
            fail "$1 and $2 have other predictions"
    done
}

# stored FILE: digests that a checkpoint or a model has of itself and of its inputs
stored() {
    grep -aoE '[0-9a-f]{64}' "$1" | sort -u
}

# flip FILE BYTE BIT: turn one bit of a file
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf '%b' "\\x$(printf %x $((byte ^ (1 << $3))))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
