#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run that starts from another's weights: the same model, a dense model upcycled into experts, another corpus; what does not fit.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

"$MOE_BIN/moe_corpus" --out given --sentences 300 --overwrite >/dev/null
base=(--train given/train.conll --dev given/dev.conll "${small[@]}" --groups 4 --lr 0.03 --progress none --log-every 1)
dense=(--ffn dense --expert-hidden 12 --top-k 2) # a block of width 24
experts=(--ffn moe --experts 5 --expert-hidden 24 --capacity-factor 0 --second-expert all)

# first_loss DIR: of the first step
first_loss() {
    sed -nE '1s/.*"loss": ([0-9.]+).*/\1/p' "$1/metrics.jsonl"
}

# close A B: equal to 1e-5
close() {
    awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; exit !(a > 0 && d < 1e-5 && d > -1e-5) }'
}

train 1 "${base[@]}" "${dense[@]}" --epochs 4 --out first >/dev/null 2>err || fail "$(<err)"
train 1 "${base[@]}" "${dense[@]}" --max-steps 1 --init first/best.h5 --out again >out 2>err || fail "$(<err)"
grep -q '^starts from first/best.h5: .* of .* words, .* characters; new: nothing$' out || fail "$(<out)"
train 1 "${base[@]}" "${dense[@]}" --max-steps 1 --out fresh >/dev/null 2>err || fail "$(<err)"
! close "$(first_loss fresh)" "$(first_loss again)" || fail "--init changed nothing"

for ranks in 1 3; do
    train $ranks "${base[@]}" "${experts[@]}" --max-steps 1 --init first/best.h5 --out "up-$ranks" >out 2>err || fail "$(<err)"
    grep -q 'experts are copies of the dense block; new: moe.gate$' out || fail "$(<out)"
    close "$(first_loss again)" "$(first_loss "up-$ranks")" ||
        fail "$ranks ranks: loss $(first_loss "up-$ranks"), of the dense block $(first_loss again)"
done
[[ $(final up-1 digest) == "$(final up-3 digest)" ]] || fail "upcycling depends on the ranks"

# A run with averages gives its averages, which best.h5 has as weights.
train 1 "${base[@]}" --ffn none --average 0.9 --epochs 1 --out averaged >/dev/null 2>err || fail "$(<err)"
for file in last best; do
    train 1 "${base[@]}" --ffn none --max-steps 1 --init "averaged/$file.h5" --out "from-$file" >/dev/null 2>err || fail "$(<err)"
done
[[ $(final from-last digest) == "$(final from-best digest)" ]] || fail "averages were not taken"

# Another corpus: its own words and labels.
sed -E 's/ (B|I)-PER$/ \1-HUMAN/' given/train.conll >given/other.conll
train 1 "${base[@]}" "${dense[@]}" --train given/other.conll --max-steps 1 --init first/best.h5 --out other >out 2>err || fail "$(<err)"
grep -q 'new: output.w, output.b, crf.start, crf.end, crf.transition$' out || fail "other labels: $(<out)"

# refused CODE REGEX ARGUMENTS...
refused() {
    local wanted=$1 regex=$2 code=0
    shift 2
    train 2 "${base[@]}" --max-steps 1 --out refused "$@" >/dev/null 2>err || code=$?
    [[ $code == "$wanted" && $(wc -l <err) == 1 && ! -e refused ]] || fail "$*: exit code $code: $(<err)"
    grep -Eq -- "$regex" err || fail "$*: not '$regex': $(<err)"
}
refused 4 '^first/best.h5: params/dense.w1: its shape is 32 x 24, wanted is 32 x 16; .*--expert-hidden' --init first/best.h5
refused 4 '^first/best.h5: params/bilstm.0.input: its shape is ' --init first/best.h5 --hidden 20
refused 4 '^none.h5: No such file' --init none.h5
refused 4 '^given/dev.conll: is no whole HDF5 file: ' --init given/dev.conll
