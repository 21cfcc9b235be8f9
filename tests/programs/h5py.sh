#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The examples of README read a model and a routing log as they are printed there.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

"$MOE_BIN/moe_corpus" --out given --sentences 200 --overwrite >/dev/null
train 2 --train given/train.conll --dev given/dev.conll "${small[@]}" --experts 5 --epochs 1 --out run1 >/dev/null 2>err || fail "$(<err)"
# example NUMBER: that block of README
example() {
    awk -v n="$1" '/^```/ { on = 0 } on { print } /^```python$/ { on = ++seen == n }' "$MOE_SOURCE/README.md" >example.py
    grep -q '^import h5py' example.py || fail "README has no example $1"
    /usr/bin/python3 example.py >out 2>err || fail "$(<err)"
}
example 1
grep -qx 'model of epoch 1 hidden 16' out || fail "$(<out)"
grep -q "^experts 5 labels \['O', 'B-LOC', 'I-LOC', 'E-LOC', 'S-LOC'" out || fail "$(<out)"
grep -q "^near london: \['london', " out || fail "$(<out)"
example 2
grep -q '^B-PER  *[0-9.]*  *[0-9.]*  *[0-9.]*  *[0-9.]*  *[0-9.]*$' out || fail "$(<out)"
[[ -s run1/routing.png ]] || fail "no picture"
