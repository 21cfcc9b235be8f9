#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# moe_score as a user runs it: reports, options, errors and exit codes, against score_oracle.pl and by hand.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
score=$MOE_BIN/moe_score
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# expect CODE STDOUT-TEXT STDERR-TEXT ARGUMENTS... < input
expect() {
    local code=0 want_code=$1 want_out=$2 want_err=$3
    shift 3
    "$score" "$@" >"$tmp/out" 2>"$tmp/err" || code=$?
    [[ $code == "$want_code" ]] || fail "moe_score $*: exit code $code, not $want_code: $(<"$tmp/err")"
    [[ $(<"$tmp/out") == "$want_out" ]] || fail "moe_score $*: printed '$(<"$tmp/out")', not '$want_out'"
    [[ $(<"$tmp/err") == "$want_err" ]] || fail "moe_score $*: said '$(<"$tmp/err")', not '$want_err'"
}

nothing='processed 0 tokens with 0 phrases; found: 0 phrases; correct: 0.'
expect 0 "$nothing" '' </dev/null
expect 0 "$nothing" '' - </dev/null
expect 0 "$nothing" '' /dev/null

one='processed 2 tokens with 1 phrases; found: 1 phrases; correct: 1.
accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
              PER: precision: 100.00%; recall: 100.00%; FB1: 100.00  1'
printf 'Ada NN B-PER B-PER\nsang VB O O\n' >"$tmp/one"
tr ' ' '\t' <"$tmp/one" >"$tmp/tabs"
tr ' ' '|' <"$tmp/one" >"$tmp/bars"
expect 0 "$one" '' <"$tmp/one"
expect 0 "$one" '' "$tmp/one"
expect 0 "$one" '' -d '\t' "$tmp/tabs"
expect 0 "$one" '' -d $'\t' "$tmp/tabs"
expect 0 "$one" '' -d '\|' <"$tmp/bars"
expect 0 "$one" '' -d '|' -- "$tmp/bars"

expect 1 '' 'unexpected number of features: 2 (3)' < <(printf 'a O O\nb O\n')
expect 255 '' 'conlleval: unexpected number of features in line a' < <(printf 'a\n')
expect 2 '' 'unknown option -q; see moe_score --help' -q </dev/null
expect 2 '' 'unknown option --raw; see moe_score --help' --raw </dev/null
expect 2 '' '-d needs a value; see moe_score --help' -d </dev/null
expect 2 '' "$tmp/tabs: one file at a time; see moe_score --help" "$tmp/one" "$tmp/tabs"
expect 2 '' '-d ab: the delimiter is one character, or \t for a tab' -d ab </dev/null
expect 3 '' "$tmp/none: cannot open: No such file or directory" "$tmp/none"
expect 3 '' "$tmp: cannot read: Is a directory" "$tmp"

"$score" --help | grep -q '^usage: moe_score' || fail "--help"
"$score" --version | grep -Eq '^moe_score [0-9.]+ ' || fail "--version"
if [[ -w /dev/full ]]; then
    code=0
    "$score" "$tmp/one" >/dev/full 2>"$tmp/err" || code=$?
    [[ $code == 1 && $(wc -l <"$tmp/err") == 1 ]] || fail "a full disk: exit code $code"
fi

if ! command -v perl >/dev/null; then
    echo "no perl: not compared with the oracle"
    exit 0
fi
for seed in {1..12}; do
    perl "$here/score_oracle.pl" file "$seed" 300 >"$tmp/file"
    for options in '' '-l' '-r' '-r -o B-PER' '-o B-PER -l'; do
        # shellcheck disable=SC2086
        perl "$here/score_oracle.pl" report $options <"$tmp/file" >"$tmp/want"
        # shellcheck disable=SC2086
        "$score" $options "$tmp/file" >"$tmp/out"
        cmp "$tmp/want" "$tmp/out" || fail "random file $seed with '$options'"
    done
done
