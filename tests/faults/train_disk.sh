#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The disk of a run becomes full: the run says so and stops, or trains on, as --on-save-failure wants; what was saved stays whole.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"
disk=$tmp/disk child='' mounted=false

leave() {
    local pid
    [[ -z $child ]] || for pid in $(cat "/proc/$child/task/$child/children" 2>/dev/null) "$child"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    ! $mounted || umount "$disk" || umount -l "$disk"
    rm -rf "$tmp"
}
trap leave EXIT

mkdir "$disk"
if ! mount -t tmpfs -o size=16m tmpfs "$disk" 2>/dev/null; then
    echo "skipped: no tmpfs can be mounted here"
    exit 0
fi
mounted=true
"$MOE_BIN/moe_corpus" --out given --sentences 300 --overwrite >/dev/null
options=(--train "$tmp/given/train.conll" --dev "$tmp/given/dev.conll" "${small[@]}" --groups 4 --experts 5 --dropout 0.2
    --lr 0.02 --epochs 120 --log-every 10 --progress plain)
train 1 "${options[@]}" --out whole >out 2>err || fail "the unbroken run: $(<err)"

# filled RANKS ARGUMENTS...: a run on the small disk, which others fill from the first checkpoint on; code is how it ended
filled() {
    local ranks=$1 tries launcher=()
    shift
    rm -rf "${disk:?}"/*
    ((ranks == 1)) || launcher=(mpirun -np "$ranks")
    "${launcher[@]}" "$MOE_BIN/moe_train" "${options[@]}" --out "$disk/run" --keep 1 "$@" >out 2>err </dev/null &
    child=$!
    # Space that is given back is taken at once.
    for ((tries = 0; tries < limit * 50; tries++)); do
        [[ -e /proc/$child && $(cut -d ' ' -f 3 "/proc/$child/stat" 2>/dev/null) != Z ]] || break
        [[ ! -e $disk/run/last.h5 ]] || cat /dev/zero >>"$disk/fill" 2>/dev/null || true
        sleep 0.02
    done
    ((tries < limit * 50)) || fail "$ranks ranks, $*: does not end: $(<err)"
    code=0
    wait "$child" || code=$?
    child=
}

# whole_copy RANKS: what is on the full disk goes on elsewhere
whole_copy() {
    [[ -e $disk/run/last.h5 ]] || fail "no last.h5 but $(ls "$disk/run"): $(<err)"
    cp -r "$disk/run" copy
    train "$1" --out copy --resume auto --on-save-failure stop >resumed 2>err || fail "the copy does not go on: $(<err)"
    [[ ! -s err ]] || fail "the copy goes on and says $(<err)"
    grep -q '^resumed from copy/last.h5' resumed || fail "the copy began anew: $(<resumed)"
    same_run whole copy
    rm -r copy
}

for ranks in 1 4; do
    filled $ranks --checkpoint-every 0.1
    [[ $code == 1 ]] || fail "stop on $ranks ranks: exit code $code: $(<err)"
    [[ $(wc -l <err) == 1 ]] || fail "stop on $ranks ranks: not one line: $(<err)"
    grep -Eq "^$disk/run/[a-z.0-9]+:? .*No space left on device\$|metrics\.jsonl: cannot be written: is the disk full" err ||
        fail "stop on $ranks ranks: $(<err)"
    whole_copy $((5 - ranks))

    filled $ranks --checkpoint-every 0.1 --on-save-failure continue
    [[ $code == 0 ]] || fail "continue on $ranks ranks: exit code $code: $(<err)"
    [[ $(tail -n 40 out | sed -n 's/^digest //p') == "$(final whole digest)" ]] || fail "continue on $ranks ranks: another digest"
    ! grep -Ev "^$disk/run/[a-z.0-9]+:? .*No space left on device; training goes on\$" err || fail "continue on $ranks ranks: said more"
    grep -q 'last\.h5\|next\.h5' err || fail "continue on $ranks ranks: no word of the checkpoint: $(<err)"
    whole_copy $((5 - ranks))
done
