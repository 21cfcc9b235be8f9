#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two texts through one model: routed as in training's evaluation, from the model's file alone; what is refused.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

"$MOE_BIN/moe_corpus" --out given --sentences 300 --overwrite >/dev/null
train 2 --train given/train.conll --dev given/dev.conll "${small[@]}" --experts 5 --lr 0.03 --epochs 1 --progress none --out run \
    >/dev/null 2>err || fail "$(<err)"
# A sentence a line.
plain() {
    awk 'NF { printf "%s ", $1; next } { print "" }' "$1"
}
plain given/dev.conll >dev.txt
plain given/test.conll | tr '[:lower:]' '[:upper:]' >loud.txt
rm -r given # the model needs none of it

contrast() {
    "$MOE_BIN/moe_report" run/best.h5 --text "$1" --text "$2" >out 2>err || fail "$*: $(<err)"
}
contrast dev.txt dev.txt
grep -q 'A from B: 0.0000 bit' out || fail "a text differs from itself: $(<out)"
# Shares of first choices are those of the log's evaluation.
"$MOE_BIN/moe_report" run --csv >log.csv || fail "no log"
for ((e = 0; e < 5; e++)); do
    share=$(sed -nE "s/^ +$e +([0-9.]+) %  +([0-9.]+) % .*/\1/p" out)
    logged=$("$MOE_BIN/moe_report" run | sed -nE "s/^ +$e +([0-9.]+) %  +[0-9.]+ %  +[0-9.]+ .*/\1/p" | head -n 1)
    [[ -n $share && $share == "$logged" ]] || fail "expert $e: $share % of the text, $logged % in the log"
done
contrast dev.txt loud.txt
read -r apart half <<<"$(sed -nE 's/.*A from B: ([0-9.]+) bit \(halves of A ([0-9.]+).*/\1 \2/p' out)"
awk -v a="$apart" -v h="$half" 'BEGIN { exit !(a > 2 * h && a > 0.001) }' || fail "capitals change nothing: $(<out)"

# refused CODE REGEX ARGUMENTS...
refused() {
    local wanted=$1 regex=$2 code=0
    shift 2
    "$MOE_BIN/moe_report" "$@" >out 2>err || code=$?
    [[ $code == "$wanted" && $(wc -l <err) == 1 && ! -s out ]] || fail "$*: exit code $code: $(<err)"
    grep -Eq -- "$regex" err || fail "$*: not '$regex': $(<err)"
}
refused 2 'give a second --text' run/best.h5 --text dev.txt
refused 3 '^none.txt: ' run/best.h5 --text dev.txt --text none.txt
refused 4 '^run/routes.h5: is an HDF5 file, but no checkpoint' run/routes.h5 --text dev.txt --text dev.txt
refused 4 '^dev.txt: is no whole HDF5 file' dev.txt --text dev.txt --text dev.txt
