#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# moe_info, --resume and --init on 250 damaged or altered checkpoints: one line that names the file, exit code 4, nothing loaded.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"
alter=$MOE_BIN/tests/alter info=$MOE_BIN/moe_info

"$MOE_BIN/moe_corpus" --out given --sentences 100 --overwrite >/dev/null
base=(--train given/train.conll --dev given/dev.conll "${small[@]}" --groups 4 --average 0.9 --progress none)
train 2 "${base[@]}" --epochs 2 --out run >/dev/null 2>err || fail "$(<err)"

# What it says of a whole file.
"$info" run/last.h5 --tensors >card || fail "a whole checkpoint is refused"
grep -q "^digest *$(final run digest)\$" card || fail "moe_info has another digest than metrics.jsonl"
"$info" run/best.h5 >out && grep -q '^run/best.h5: a model' out || fail "best.h5 is refused"
"$info" run/last.h5 run/last.h5 >out && grep -q ' 0 differ$' out && grep -q '^equal digests' out || fail "a file differs from itself"
train 1 "${base[@]}" --epochs 2 --seed 2 --out other >/dev/null 2>err || fail "$(<err)"
"$info" run/last.h5 other/last.h5 >out || fail "two runs cannot be compared"
grep -q '^option seed  *1 | 2$' out || fail "the seed does not differ"
grep -q '^array  params/output.w .*largest difference 0.*, at element [0-9]* of 544$' out || fail "output.w does not differ: $(<out)"
! grep -q '^equal digests' out || fail "two seeds, one digest"
code=0 && "$info" >/dev/null 2>err || code=$?
[[ $code == 2 && $(wc -l <err) == 1 ]] || fail "moe_info without a file: exit code $code"

# refused FILE WHAT REGEX: by moe_info; fine when nothing of what is read has changed
n=0
refused() {
    local code=0
    n=$((n + 1))
    timeout 10 "$info" "$1" --tensors >out 2>err || code=$?
    if [[ $code == 0 && -z $3 ]]; then
        diff <(tail -n +2 out) <(tail -n +2 card) >/dev/null || fail "$2: read as something else"
    else
        [[ $code == 4 && $(wc -l <err) == 1 && ! -s out ]] || fail "$2: exit code $code: $(<err)"
        [[ $(<err) == "$1: "* ]] && grep -Eq -- "$3" err || fail "$2: not '$3': $(<err)"
    fi
}

size=$(stat -c %s run/last.h5)
for ((i = 0; i < 40; i++)); do
    head -c $((size * i / 40)) run/last.h5 >cut.h5
    refused cut.h5 "cut at $((size * i / 40))" 'no whole HDF5 file'
done
RANDOM=7
for ((i = 0; i < 170; i++)); do # data and structure alike: the file is half of each
    cp run/last.h5 flip.h5
    at=$(((RANDOM * 32768 + RANDOM) % size)) bit=$((RANDOM % 8))
    flip flip.h5 $at $bit
    refused flip.h5 "bit $bit of byte $at" ''
done

# altered REGEX HOW ...: with right checksums
altered() {
    cp run/last.h5 altered.h5
    "$alter" altered.h5 "${@:2}" 2>err || fail "alter ${*:2}: $(<err)"
    refused altered.h5 "${*:2}" "$1"
}
for name in params/output.w average/words optim/moe.expert.w1/m optim/words/log_decay; do
    altered 'digest' delete "$name"
done
altered 'params/output.w: has no checksum|not stored in chunks' flatten params/output.w
altered 'is not that of its arrays' add params/output.w 1e-6
altered 'is not that of its arrays' add optim/moe.expert.w1/v 1
altered 'is not that of its arrays' cut params/words
altered 'is not that of its arrays' axis params/output.b
altered 'is not that of its arrays' double params/output.b
altered 'is not that of its arrays' move params/output.b params/output.c
altered 'vocab/words is missing' delete vocab/words
altered 'vocab is missing' delete vocab
altered 'history is missing' delete history
altered 'params is missing' delete params
altered 'state is missing' delete state
altered 'config is missing' delete config
altered 'of version 2, this program reads version 1' integer / version 2
altered 'no checkpoint of this program' text / format 'another format'
altered 'no checkpoint of this program' forget / format
altered 'attribute kind' text / kind 'neither'
altered 'attribute digest is missing' forget / digest
altered 'attribute step is no 8-byte integer' text / step 75
altered 'is not that of its arrays' integer / step 74
altered 'attribute digest has [0-9]* bytes, more than' text / digest "$(printf %0100d 0)"

((n >= 200)) || fail "only $n files"

# The trainer refuses too, and one rank says so.
# trainer OPTION REGEX HOW ...
trainer() {
    local code=0
    cp run/last.h5 altered.h5
    "$alter" altered.h5 "${@:3}" 2>err || fail "alter ${*:3}: $(<err)"
    train 3 "${base[@]}" --epochs 2 --out refused "$1" altered.h5 >out 2>err || code=$?
    [[ $code == 4 && $(wc -l <err) == 1 && $(<err) == altered.h5:* ]] || fail "$1, ${*:3}: exit code $code: $(<err)"
    grep -Eq -- "$2" err || fail "$1, ${*:3}: not '$2': $(<err)"
    rm -rf refused
}
trainer --resume 'params/bilstm.0.bias: its shape is 1 x 64, wanted is 2 x 64' cut params/bilstm.0.bias
trainer --resume 'optim/moe.expert.w1/v: its shape is 7 x 32 x 16, wanted is 8 x 32 x 16' cut optim/moe.expert.w1/v
trainer --resume 'params/output.b: its numbers are of type double, wanted are float' double params/output.b
trainer --resume 'optim/output.b/m is missing' delete optim/output.b/m
trainer --resume 'is not that of its arrays' add average/crf.start 1
trainer --resume 'is not that of its arrays' add optim/moe.expert.b2/m 1
trainer --resume 'attribute best_f1 is missing' forget state best_f1
trainer --resume 'vocab/words' delete vocab/words
trainer --resume 'of version 9' integer / version 9
trainer --init 'average/bilstm.0.bias: its shape is 1 x 64, wanted is 2 x 64' cut average/bilstm.0.bias
trainer --init 'vocab/labels is missing' delete vocab/labels
trainer --init 'vocab is missing' delete vocab
for ((i = 0; i < 12; i++)); do
    cp run/last.h5 flip.h5
    at=$(((RANDOM * 32768 + RANDOM) % size)) code=0
    flip flip.h5 $at 4
    train 2 "${base[@]}" --epochs 2 --out flipped --overwrite --resume flip.h5 >out 2>err || code=$?
    if [[ $code == 0 ]]; then
        [[ $(final flipped digest) == "$(final run digest)" ]] || fail "byte $at: resumed as something else"
    else
        [[ $code == 4 && $(wc -l <err) == 1 && $(<err) == flip.h5:* ]] || fail "byte $at: exit code $code: $(<err)"
    fi
done
