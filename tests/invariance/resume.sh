#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run that was cut anywhere goes on at any number of ranks as if nothing had been: weights, figures, predictions and the
# best model are equal to the last bit.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

"$MOE_BIN/moe_corpus" --out given --sentences 100 --overwrite >/dev/null
# Epochs of seven steps; a log line every four, so that most cuts are between two.
n_batches=7
common=(--train given/train.conll --dev given/dev.conll --test given/test.conll "${small[@]}" --groups 8 --lr 0.03
    --dropout 0.3 --log-every 4 --progress plain)

# run WANT NAME RANKS ARGUMENTS...: a start in the folder NAME that ends with this exit code
run() {
    local want=$1 name=$2 ranks=$3 code=0
    shift 3
    train "$ranks" --out "$name" "$@" >"$name.log" 2>&1 || code=$?
    [[ $code == "$want" ]] || fail "$name: exit code $code, not $want: $(<"$name.log")"
}

# goes_on NAME STEPS: the last start went on after so many steps
goes_on() {
    grep -Eq "^resumed from $1/last\.h5: [0-9]+ epochs, [0-9]+ batches, $2 steps done\$" "$1.log" ||
        fail "$1 did not go on after $2 steps: $(<"$1.log")"
}

# same WHOLE NAME: NAME became WHOLE; its files are removed
same() {
    same_run "$1" "$2"
    diff <(stored "$1/best.h5") <(stored "$2/best.h5") >&2 || fail "$1 and $2 have other best models"
    diff <(stored "$1/last.h5") <(stored "$2/last.h5") >&2 || fail "$1 and $2 have other checkpoints"
    rm -r "$2"
}

declare -A owner # of a digest: no two cases are one
# whole NAME ARGUMENTS...: the unbroken run, six epochs, on one rank
whole() {
    local name=$1 digest
    shift
    arguments=("${common[@]}" "$@")
    run 0 "$name" 1 --epochs 6 "${arguments[@]}"
    digest=$(final "$name" digest)
    [[ -z ${owner[$digest]-} ]] || fail "$name has the digest of ${owner[$digest]}"
    owner[$digest]=$name
}

# cut NAME STEP SAVED LOADED...: cut after STEP on SAVED ranks, went on at each LOADED
cut() {
    local name=$1 step=$2 saved=$3 loaded
    shift 3
    run 0 "$name-$saved" "$saved" --epochs 6 "${arguments[@]}" --max-steps "$step"
    [[ $(final "$name-$saved" step) == "$step" ]] || fail "$name-$saved: not cut after step $step"
    for loaded; do
        cp -r "$name-$saved" "$name-$saved-$loaded"
        run 0 "$name-$saved-$loaded" "$loaded" --resume auto --max-steps 0
        goes_on "$name-$saved-$loaded" "$step"
        same "$name" "$name-$saved-$loaded"
    done
    rm -r "$name-$saved"
}

# from_all_to_all NAME ARGUMENTS...: saved and loaded at 1 to 4 ranks, 30 steps or more before the end
from_all_to_all() {
    local saved
    whole "$@"
    for saved in 1 2 3 4; do
        cut "$1" $((8 + saved)) $saved 1 2 3 4
    done
}
# Most of a start is spent waiting: two at a time.
from_all_to_all moe-8 --experts 8 &
from_all_to_all moe-5 --experts 5
wait $! || exit 1

whole average --experts 5 --average 0.9 --optimizer adamw --weight-decay 0.01 --warmup 20
cut average 10 4 3
whole dense --ffn dense
cut dense 10 3 1
whole none --ffn none --optimizer sgd --lr 0.05 --momentum 0.8
cut none 10 1 2

# An end of an epoch: before its evaluation, and after it.
whole tight --experts 5 --top-k 1 --capacity-factor 0.5 --jitter 0.1 --optimizer sgd --average 0.9
cut tight $n_batches 2 4
run 0 ended 3 --epochs 1 "${arguments[@]}"
run 0 ended 2 --resume auto --epochs 3
goes_on ended $n_batches
run 0 ended 1 --resume auto --epochs 6
goes_on ended $((3 * n_batches))
same tight ended

# Experts in two sets of ranks.
run 0 sets 4 --epochs 6 "${arguments[@]}" --max-steps 10 --ep-size 2
run 0 sets 2 --resume auto --max-steps 12 --ep-size 1
run 0 sets 1 --resume auto --max-steps 0
goes_on sets 12
same tight sets

# Asked to stop again and again, in the midst of the first epoch.
steps=0
for ranks in 2 4 3; do
    run 75 stopped $ranks --epochs 6 "${arguments[@]}" --resume auto --stop-after 0.001
    ((steps == 0)) || goes_on stopped "$steps"
    now=$(sed -nE 's/^stopped after step ([0-9]+) as asked.*/\1/p' stopped.log)
    ((now > steps && now < n_batches)) || fail "stopped after step '$now', before that after $steps"
    steps=$now
done
run 0 stopped 1 --resume auto
goes_on stopped "$steps"
same tight stopped

# Patience counts epochs of earlier starts.
whole patient --experts 5 --lr 1e-9 --patience 3
(($(final patient step) == 4 * n_batches)) || fail "patient: $(final patient step) steps"
cut patient $((2 * n_batches + 3)) 2 3
