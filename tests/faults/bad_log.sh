#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# moe_report on damaged, altered and foreign logs: one line that names the file, exit code 4, and never another report.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"
alter=$MOE_BIN/tests/alter report=$MOE_BIN/moe_report

"$MOE_BIN/moe_corpus" --out given --sentences 60 --overwrite >/dev/null
train 1 --train given/train.conll --dev given/dev.conll "${small[@]}" --experts 3 --epochs 2 --route-every 1 --trace-tokens 3 \
    --progress none --out run >/dev/null 2>err || fail "$(<err)"
"$report" run --json >whole || fail "a whole log is refused"
size=$(stat -c %s run/routes.h5)

# refused FILE WHAT REGEX; without a REGEX it may be read as the whole one is: not everything is needed
n=0 read=0
refused() {
    local code=0
    n=$((n + 1))
    timeout 10 "$report" "$1" --json >out 2>err || code=$?
    if [[ $code == 0 && -z $3 ]]; then
        read=$((read + 1))
        diff <(grep -v '"file":' out) <(grep -v '"file":' whole) >/dev/null || fail "$2: read as something else"
    else
        [[ $code == 4 && $(wc -l <err) == 1 && ! -s out ]] || fail "$2: exit code $code: $(<err)"
        [[ $(<err) == "$1: "* ]] && grep -Eq -- "$3" err || fail "$2: not '$3': $(<err)"
    fi
}

for ((i = 0; i < 30; i++)); do
    head -c $((size * i / 30)) run/routes.h5 >cut.h5
    refused cut.h5 "cut at $((size * i / 30))" .
done
RANDOM=5
for ((i = 0; i < 150; i++)); do
    cp run/routes.h5 flip.h5
    at=$(((RANDOM * 32768 + RANDOM) % size)) bit=$((RANDOM % 8))
    flip flip.h5 $at $bit
    refused flip.h5 "bit $bit of byte $at" ''
done
for ((i = 0; i < 20; i++)); do # a block of zeros, as a file system leaves it
    cp run/routes.h5 flip.h5
    dd if=/dev/zero of=flip.h5 bs=1 seek=$((size * i / 20)) count=512 conv=notrunc status=none
    refused flip.h5 "zeros at $((size * i / 20))" ''
done
((read * 2 < n)) || fail "$read of $n damaged logs were read"

# altered REGEX HOW ...: with right checksums
altered() {
    cp run/routes.h5 altered.h5
    "$alter" altered.h5 "${@:2}" 2>err || fail "alter ${*:2}: $(<err)"
    refused altered.h5 "${*:2}" "$1"
}
altered 'of version 2; this program reads version 1' integer / version 2
altered 'of version 0; this program reads version 1' integer / version 0
altered 'attribute version is missing' forget / version
altered 'is no routing log' text / format 'moe checkpoint'
altered 'attribute format is missing' forget / format
altered 'attribute experts is 0' integer / experts 0
altered 'attribute experts is -1' integer / experts -1
altered 'attribute experts is 4294967299' integer / experts 4294967299
altered 'steps|evals|tokens' integer / experts 4
altered 'attribute top_k is 4' integer / top_k 4
altered 'tokens/expert: .* is not that of' integer / top_k 1
altered 'names/labels: has not as many lines' integer / labels 4
altered 'steps/wait_seconds: .* is not that of' integer / ranks 2
altered 'attribute ranks is no 8-byte integer' text / ranks one
altered 'attribute capacity_factor' integer / capacity_factor 1
altered 'attribute run is missing' forget / run
for name in names/labels names/words steps/load steps/wait_seconds evals/by_gold evals/first_expert tokens/word tokens/weight \
    steps evals tokens names; do
    altered "${name%/*}.* is missing|$name is missing" delete "$name"
done
altered 'tokens/weight: .*is not that of' axis tokens/weight
altered 'tokens/weight: .*is not that of' double tokens/weight
altered 'tokens/weight: ' flatten tokens/weight
altered 'evals/first_expert: .*is not that of' cut tokens/weight

# poisoned REGEX NAME VALUE: the first number of a dataset is another, with right checksums
poisoned() {
    cp run/routes.h5 altered.h5
    /usr/bin/python3 -c 'import sys, h5py
with h5py.File("altered.h5", "r+", libver="latest") as f:
    data = f[sys.argv[1]]
    data[(0,) * data.ndim] = int(sys.argv[2])' "$2" "$3" 2>err || fail "h5py: $(<err)"
    refused altered.h5 "$2 = $3" "$1"
}
for name in tokens/word tokens/gold tokens/predicted tokens/expert tokens/sentence tokens/position evals/first_expert steps/load \
    steps/kept steps/dropped steps/skipped steps/tokens steps/step evals/step evals/epoch; do
    poisoned "$name: has a number that is out of range" $name -1
done
for name in tokens/word tokens/gold tokens/predicted tokens/expert evals/first_expert steps/dead; do
    poisoned "$name: has a number that is out of range" $name 1000000
done
for name in by_gold by_predicted by_frequency by_capitals by_seen; do
    poisoned "evals/$name: does not count every token once" evals/$name 1000000
    poisoned "evals/$name: does not count every token once" evals/$name -1
done

# A column that is a row behind, as after a kill between two of them: the report has a row less.
cp run/routes.h5 behind.h5
/usr/bin/python3 -c 'import h5py
with h5py.File("behind.h5", "r+", libver="latest") as f:
    f["steps/loss"].resize(len(f["steps/loss"]) - 1, axis=0)
    f["evals/first_expert"].resize(2, axis=0)'
"$report" behind.h5 --csv >out 2>err || fail "a column that is a row behind: $(<err)"
"$report" run --csv >rows
rows() { grep "^$2" "$1" | cut -d, -f2 | sort -u | wc -l; }
(($(rows out steps) == $(rows rows steps) - 1)) || fail "rows: $(rows out steps), whole: $(rows rows steps)"
(($(rows out evals) == 2)) || fail "evaluations: $(rows out evals)"
