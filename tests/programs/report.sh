#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# moe_report in all its forms on the log of a real run: figures against a recount from the single tokens, pages that fit, and what
# it says of wrong options.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"
report=$MOE_BIN/moe_report
export LC_ALL=C.UTF-8

"$MOE_BIN/moe_corpus" --out given --sentences 300 --overwrite >/dev/null
base=(--train given/train.conll --dev given/dev.conll "${small[@]}" --experts 5 --groups 2 --lr 0.05 --route-every 2 --progress none)
train 2 "${base[@]}" --epochs 3 --out run >/dev/null 2>err || fail "$(<err)"
train 1 "${base[@]}" --epochs 2 --top-k 1 --seed 2 --out other >/dev/null 2>err || fail "$(<err)"

# page ARGUMENTS...: into out; it is there, plain and not wider than it should be
page() {
    timeout 20 "$report" "$@" >out 2>err || fail "$*: $(<err)"
    [[ -s out && ! -s err ]] || fail "$*: nothing, or said $(<err)"
    (($(wc -L <out) <= ${COLUMNS:-80})) || fail "$*: $(wc -L <out) columns"
    ! grep -q '[▁▂▃▄▅▆▇█±]' out || fail "$*: blocks without a terminal"
    ! grep -nE ' $' out || fail "$*: blanks at the end of a line"
}

page run
grep -q '^run: 5 experts, top 2, [0-9]* steps, 4 evaluations, F1 ' out || fail "head: $(head -n 1 out)"
[[ $(sed -nE '1s/.* F1 //p' out) == $(printf %.2f "$(grep '"epoch"' run/metrics.jsonl | grep '"event": "epoch"' | tail -n 1 |
    sed -E 's/.*"dev_f1": ([0-9.]*).*/\1/')") ]] || fail "F1 is not that of metrics.jsonl"
cp out whole
page run/routes.h5
cmp out whole || fail "a folder and its log give two reports"
COLUMNS=120 page run
COLUMNS=40 timeout 20 "$report" run >out && (($(wc -L <out) <= 80)) || fail "narrow: $(wc -L <out) columns"

# Every token of a label is in one line of its page.
page run --label B-PER
said=$(sed -nE 's/^Label B-PER: ([0-9]+) tokens.*/\1/p' out)
[[ $said == "$(grep -c ' B-PER$' given/dev.conll)" ]] || fail "--label: $said tokens"
[[ $said == "$(sed -nE 's/^ +[0-9]+ +([0-9]+) .*%.*x.*/\1/p' out | paste -sd+ | bc)" ]] || fail "--label: lines are not $said tokens"
awk '/^ +[0-9]+ +[0-9]+ .*%.*x/ { wanted = substr("_.:-=+*#", int(7 * $3 / 100 + 0.5) + 1, 1)
    if (substr($0, length) != wanted) { print; bad = 1 } } END { exit bad }' out || fail "--label: the last evaluation is not drawn so"
page run --expert 3
grep -qx 'Expert 3.*' out || fail "--expert: $(<out)"
printf 'the\r\nZyzzyva\nthe\r\n' >words
page run --words words
[[ $(grep -c '^  the ' out) == 1 ]] || fail "--words: $(<out)"
grep -q "^  the  *$(grep -c '^the ' given/dev.conll)  expert" out || fail "--words counts another number: $(<out)"
grep -q '^  Zyzzyva  *0  not in the development corpus$' out || fail "--words: an unknown word"
page run --compare other
grep -q '^  choices per token  *2  *1$' out || fail "--compare: $(<out)"
grep -q 'On the same ' out || fail "--compare: the same tokens are not seen"
page run --compare run
grep -q '(100.0 % of' out || fail "a run does not know itself"

timeout 20 "$report" run --html page.html >out 2>err || fail "--html: $(<err)"
grep -qi '<!doctype html>' page.html && ! grep -qiE '(src|href)="?https?:|<script' page.html || fail "the page needs more than itself"

"$report" run --json >report.json
"$report" run --csv >report.csv
/usr/bin/python3 "$MOE_SOURCE/tests/programs/report_oracle.py" run/routes.h5 report.json report.csv >out 2>&1 || fail "$(<out)"

# What is no number: a blank, a dash, null.
cp run/routes.h5 gaps.h5
/usr/bin/python3 -c 'import h5py
with h5py.File("gaps.h5", "r+", libver="latest") as f:
    f["steps/loss"][:] = float("nan")
    f["steps/wait_seconds"][0, 0] = float("inf")'
page gaps.h5
grep -qE '^  loss +- -> -$' out || fail "a loss that is no number: $(grep '^  loss' out)"
"$report" gaps.h5 --json >gaps.json
/usr/bin/python3 -c 'import json
def refuse(x):
    raise ValueError(x)
report = json.load(open("gaps.json"), parse_constant=refuse)
assert set(report["steps"]["loss"]) == {None} and report["steps"]["wait_seconds"][0][0] is None' 2>err || fail "$(<err)"

# A run that has not come far: without rows, and without evaluations.
for table in steps evals; do
    cp run/routes.h5 young.h5
    /usr/bin/python3 -c 'import sys, h5py
with h5py.File("young.h5", "r+", libver="latest") as f:
    for column in f[sys.argv[1]].values():
        column.resize(0, axis=0)' $table
    page young.h5
    page young.h5 --expert 1
    page young.h5 --label O
    page young.h5 --words words
    page young.h5 --compare run
    "$report" young.h5 --csv >out
    ! grep -q "^$table" out || fail "rows of $table in an empty table"
    "$report" young.h5 --json | /usr/bin/python3 -m json.tool >/dev/null || fail "$table: no JSON"
    timeout 20 "$report" young.h5 --html young.html || fail "$table: no page"
done

# On a terminal: blocks where the locale has them.
if command -v script >/dev/null; then
    script -qc "stty cols 100; $report run" /dev/null </dev/null | tr -d '\r' >out
    grep -q '[▁▂▃▄▅▆▇█]' out || fail "no blocks on a terminal"
    (($(wc -L <out) <= 100)) || fail "$(wc -L <out) columns on a terminal of 100"
    LC_ALL=C script -qc "$report run" /dev/null </dev/null >out
    ! grep -q '[▁▂▃▄▅▆▇█]' out || fail "blocks in the C locale"
fi

# refuse CODE REGEX ARGUMENTS...: one line
refuse() {
    local code=0
    timeout 20 "$report" "${@:3}" >out 2>err || code=$?
    [[ $code == "$1" && $(wc -l <err) == 1 && ! -s out ]] || fail "${*:3}: exit code $code: $(<err)"
    grep -Eq -- "$2" err || fail "${*:3}: not '$2': $(<err)"
}
refuse 2 'is missing'
refuse 2 'one run at a time' run other
refuse 2 'experts 0 to 4' run --expert 5
refuse 2 'experts 0 to 4' run --expert -1
refuse 2 'experts 0 to 4' run --expert two
refuse 2 'this run has O B-LOC I-LOC' run --label PER
refuse 2 '--json and --csv: one of them' run --json --csv
refuse 2 '--label and --html: one of them' run --html page.html --label O
refuse 2 'expert' run --exprt 1
refuse 3 'nowhere' run --words nowhere
refuse 4 'nowhere' nowhere
refuse 4 'nowhere' run --compare nowhere
refuse 4 'given/routes.h5' given
refuse 4 'is no routing log|format' run/last.h5
refuse 4 'no whole HDF5 file' given/dev.conll
refuse 1 'no/such/page.html' run --html no/such/page.html
code=0 && "$report" run >/dev/full 2>err || code=$?
[[ $code == 1 && $(wc -l <err) == 1 ]] || fail "a full disk: exit code $code: $(<err)"
"$report" --help | grep -q '^ *--words FILE' || fail "--help"
"$report" --version | grep -q '^moe_report ' || fail "--version"
