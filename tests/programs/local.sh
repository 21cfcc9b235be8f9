#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# launch/local: restarts after a kill, stops when asked, gives up without progress; in a folder with a space.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"
export MOE_BIN
local=$MOE_SOURCE/launch/local

"$MOE_BIN/moe_corpus" --out given --sentences 400 --overwrite >/dev/null
base=(--train given/train.conll --dev given/dev.conll "${small[@]}" --groups 4 --lr 0.03 --progress none --epochs 20)
train 1 "${base[@]}" --out whole >/dev/null 2>&1 || fail "the whole run"

# begin ARGUMENTS...: in the background, until there is a checkpoint
begin() {
    local tries
    "$local" "$@" >out 2>err &
    child=$!
    for ((tries = 0; tries < 400; tries++)); do
        [[ ! -e "a run/last.h5" ]] || return 0
        sleep 0.02
    done
    fail "no checkpoint: $(<err)"
}
# end CODE WHAT
end() {
    code=0
    wait $child || code=$?
    [[ $code == "$1" ]] || fail "$2: exit code $code: $(<err)"
}

# A rank dies twice; the run goes on to the same end.
begin -n 2 "${base[@]}" --out "a run" --checkpoint-every 0.05
for ((i = 0; i < 2; i++)); do
    sleep 0.2
    pkill -KILL -o -f "^$MOE_BIN/moe_train.*--out a run" || true
    sleep 0.8
done
end 0 'killed twice'
[[ $(final "a run" digest) == "$(final whole digest)" ]] || fail "killed twice: another digest"
grep -q '^launch/local: ended with code 137; goes on from a run/last.h5 (restart 1 of 3)$' err || fail "killed: $(<err)"

# TERM saves and leaves with 75; the same command goes on.
rm -r "a run"
begin -n 2 "${base[@]}" --out "a run" --checkpoint-every 0.05
kill -TERM $child
end 75 'TERM'
grep -q '^stopped after step' err || fail "TERM: $(<err)"
"$local" -n 3 "${base[@]}" --out "a run" >out 2>err || fail "goes on: $(<err)"
[[ $(final "a run" digest) == "$(final whole digest)" ]] || fail "stopped: another digest"

# Final codes are not tried again, and neither is a run that does not get on.
code=0 && "$local" -n 2 "${base[@]}" --out bad --hidden none >out 2>err || code=$?
[[ $code == 2 && $(wc -l <err) == 1 ]] || fail "bad option: exit code $code: $(<err)"
code=0 && "$local" -n 2 "${base[@]}" --out bad --optimizer sgd --lr 1000 --clip 0 >out 2>err || code=$?
if [[ $code != 1 ]] || ! grep -q 'given up$' err; then
    fail "no progress: exit code $code: $(<err)"
fi
for arguments in '-n' '-n two' '-x 3' '--train f'; do
    code=0
    # shellcheck disable=SC2086  # words of the list
    "$local" $arguments >out 2>err || code=$?
    [[ $code == 2 && $(wc -l <err) == 1 ]] || fail "launch/local $arguments: exit code $code: $(<err)"
done
"$local" --help | grep -q '^usage: launch/local' || fail "no help"
