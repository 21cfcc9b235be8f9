#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# moe_corpus as a user runs it: files, counts, refusals and exit codes.
set -euo pipefail

corpus=$MOE_BIN/moe_corpus
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# refused CODE PATTERN ARGUMENTS...: this exit code, one line that matches, nothing on stdout
refused() {
    local code=0 want=$1 pattern=$2
    shift 2
    "$corpus" "$@" >"$tmp/out" 2>"$tmp/err" || code=$?
    [[ $code == "$want" ]] || fail "moe_corpus $*: exit code $code, not $want"
    [[ $(wc -l <"$tmp/err") == 1 ]] || fail "moe_corpus $*: not one line: $(<"$tmp/err")"
    grep -q -- "$pattern" "$tmp/err" || fail "moe_corpus $*: '$(<"$tmp/err")' does not say $pattern"
    [[ ! -s $tmp/out ]] || fail "moe_corpus $*: printed $(<"$tmp/out")"
}

"$corpus" --out "$tmp/a" --sentences 401 >"$tmp/table"
for line in "train 401" "dev 101" "test 101"; do
    read -r split n <<<"$line"
    file=$tmp/a/$split.conll
    tokens=$(grep -c . "$file")
    entities=$(grep -c ' B-' "$file")
    [[ $(grep -c '^$' "$file") == "$n" ]] || fail "$split has not $n sentences"
    grep -Eq "^$split +$n +$tokens +$entities\$" "$tmp/table" || fail "table: $(<"$tmp/table")"
done

refused 2 'a/train.conll exists; --overwrite' --out "$tmp/a"
[[ $(grep -c '^$' "$tmp/a/train.conll") == 401 ]] || fail "a refused run wrote"
mkdir "$tmp/b"
echo mine >"$tmp/b/test.conll"
echo other >"$tmp/b/notes"
refused 2 'b/test.conll exists; --overwrite' --out "$tmp/b"
[[ ! -e $tmp/b/train.conll ]] || fail "a refused run wrote"
"$corpus" --out "$tmp/b" --overwrite >/dev/null
[[ $(grep -c '^$' "$tmp/b/train.conll") == 2000 && $(<"$tmp/b/notes") == other ]] || fail "--overwrite"

# The same seed gives the same bytes; a smaller corpus is the beginning of a larger one.
cmp -n "$(stat -c %s "$tmp/a/train.conll")" "$tmp/a/train.conll" "$tmp/b/train.conll" || fail "prefix"
"$corpus" --out "$tmp/c" --seed 2 --sentences 401 >/dev/null
! cmp -s "$tmp/a/train.conll" "$tmp/c/train.conll" || fail "--seed"

refused 2 '--out' --sentences 3
refused 2 '--sentences' --out "$tmp/d" --sentences 0
refused 2 '--sentenses' --out "$tmp/d" --sentenses 5
refused 2 'extra' --out "$tmp/d" extra
[[ ! -e $tmp/d ]] || fail "a refused run made its folder"
refused 2 'none/d: cannot make the folder: No such file' --out "$tmp/none/d"
refused 2 'notes: it is no folder' --out "$tmp/b/notes" --overwrite
if [[ -w /dev/full ]]; then
    mkdir "$tmp/full"
    ln -s /dev/full "$tmp/full/train.conll"
    code=0
    "$corpus" --out "$tmp/full" --overwrite >/dev/null 2>"$tmp/err" || code=$?
    [[ $code == 1 && $(wc -l <"$tmp/err") == 1 ]] || fail "a full disk: exit code $code"
    grep -q 'train.conll: cannot write: No space left' "$tmp/err" || fail "a full disk: $(<"$tmp/err")"
    [[ ! -e $tmp/full/dev.conll ]] || fail "a full disk: went on"
fi

"$corpus" --help | grep -q '^usage: moe_corpus --out DIR' || fail "--help"
"$corpus" --version | grep -Eq '^moe_corpus [0-9.]+ ' || fail "--version"

# The corpus is what moe_score reads: gold against gold is perfect.
awk 'NF { print $1, $2, $2; next } { print }' "$tmp/a/test.conll" >"$tmp/gold"
"$MOE_BIN/moe_score" "$tmp/gold" | grep -q 'FB1: 100.00$' || fail "moe_score"

SECONDS=0
"$corpus" --out "$tmp/large" --sentences 60000 >/dev/null
((SECONDS <= 10)) || fail "60,000 sentences took $SECONDS s"
