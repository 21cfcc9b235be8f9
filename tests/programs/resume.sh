#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Going on with a run as a user does it: where it goes on, which options may change, what is said of damaged checkpoints.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

# mpirun waits a second for the other ranks when one leaves with a code; here they leave together.
export OMPI_MCA_odls_base_sigkill_timeout=0
"$MOE_BIN/moe_corpus" --out given --sentences 60 --overwrite >/dev/null
"$MOE_BIN/moe_corpus" --out other --sentences 60 --seed 2 --overwrite >/dev/null
files=(--train given/train.conll --dev given/dev.conll)
options=("${small[@]}" --groups 4 --experts 5 --dropout 0.2 --lr 0.03 --log-every 3 --progress plain)
turn=0

# start WANT RANKS ARGUMENTS...: one start of the program that ends with this exit code
start() {
    local want=$1 ranks=$2 code=0
    shift 2
    train "$ranks" "$@" >out 2>err </dev/null || code=$?
    [[ $code == "$want" ]] || fail "$ranks ranks, $*: exit code $code, not $want: $(<err)"
}

# clean RANKS ARGUMENTS...: ends well, without a word on standard error
clean() {
    start 0 "$@"
    [[ ! -s err ]] || fail "$*: said $(<err)"
}

goes_on() {
    grep -Eq "^resumed from $1: .* $2 steps done\$" out || fail "not resumed from $1 after $2 steps: $(<out)"
}

# refused CODE PATTERN ARGUMENTS...: one line, by 1 to 3 ranks in turn, and the run stays as it is
refused() {
    local code=$1 pattern=$2 before ranks
    shift 2
    turn=$((turn % 3 + 1))
    before=$(find run -type f -exec sha256sum {} + | sort)
    start "$code" $turn "$@"
    [[ $(wc -l <err) == 1 ]] || fail "$*: not one line: $(<err)"
    grep -Eq -- "$pattern" err || fail "$*: '$(<err)' does not say '$pattern'"
    [[ $(find run -type f -exec sha256sum {} + | sort) == "$before" ]] || fail "$*: changed the run"
}

# ---- where it goes on ----

clean 1 "${files[@]}" "${options[@]}" --epochs 4 --out whole
clean 2 "${files[@]}" "${options[@]}" --epochs 2 --out run --resume auto
! grep -q '^resumed' out || fail "a new run was resumed: $(<out)"
for ranks in 1 2; do
    digest=$(final run digest)
    clean $ranks --out run --resume auto
    goes_on run/last.h5 8
    [[ $(final run digest) == "$digest" ]] || fail "a finished run went on"
    (($(grep -c '"event": "final"' run/metrics.jsonl) == 1)) || fail "a finished run was reported twice"
done
cp -r run two
clean 3 --out run --resume auto --epochs 4
goes_on run/last.h5 8
same_run whole run
grep -Eq '^epochs = 4$' run/config.ini || fail "config.ini: $(<run/config.ini)"

mkdir empty
clean 1 "${files[@]}" "${options[@]}" --epochs 4 --out empty --resume auto
same_run whole empty
mkdir mine
echo text >mine/notes
refused 2 '^--out mine: exists and holds no run; name another folder$' "${files[@]}" --out mine --resume auto
[[ $(ls mine) == notes ]] || fail "wrote to a folder that is no run"
refused 2 '^--train is missing' --out none --resume auto
[[ ! -e none ]] || fail "a refused run made its folder"

# From a file: into another folder, or the one it lies in.
clean 2 --resume two/last.h5 --out beside --epochs 4
goes_on two/last.h5 8
same_run whole beside
cp -r two within
clean 2 --resume within/last.h5 --out within --epochs 4
same_run whole within
refused 2 '^--out run: exists already' --resume two/last.h5 --out run
refused 4 '^none\.h5: ' --resume none.h5 --out new
refused 4 '^given/train\.conll: ' --resume given/train.conll --out new
refused 4 '^run/best\.h5: .*model.*--init' --resume run/best.h5 --out new
for resume in never ''; do
    refused 2 '^--out run: exists already.*--resume auto.*--overwrite' "${files[@]}" "${options[@]}" --out run ${resume:+--resume $resume}
done
[[ ! -e new ]] || fail "a refused run made its folder"

# ---- options ----

# other NAME OLD NEW: would change the run
other() {
    refused 2 "^--$1: is $3, but the run in run/last\\.h5 has $2; leave it out to go on, or begin another run with another --out\$" \
        --out run --resume auto "--$1" "$3"
}
other hidden 16 17
other experts 5 8
other seed 1 2
other lr 0\\.03 0.1
other groups 4 8
other batch 16 32
other ffn moe dense
other optimizer adam sgd
other top-k 2 1
other dropout 0\\.2 0.5
other average 0 0.9
other capacity-factor 1\\.25 2
other balance-loss 0\\.1 0
other word-dim 16 100
other sum tree mpi
other columns token=0,tag=-1 token=0,tag=1
refused 2 '^--comment-prefix: is .*, but the run in run/last.h5 has none' --out run --resume auto --comment-prefix '#'
refused 2 '^--hidden: ' --resume run/last.h5 --out new --hidden 8
cp run/config.ini changed.ini
sed -i 's/^hidden = .*/hidden = 20/' changed.ini
refused 2 'hidden: is 20, but the run in run/last.h5 has 16' --out run --resume auto --config changed.ini

# The same value, and options that change nothing, may be given.
cp -r two free
clean 4 "${files[@]}" "${options[@]}" --out free --resume auto --epochs 4 --patience 9 --keep 3 --checkpoint-every 0 --timeout 50 \
    --on-save-failure continue --ep-size 2 --progress none --stop-after 500 --max-steps 1000
[[ $(final free digest) == "$(final whole digest)" ]] || fail "options that may change have changed the run"
cp -r two free2
clean 1 --config run/config.ini --out free2 --resume auto
same_run whole free2
cp -r two logged
clean 1 --out logged --resume auto --epochs 4 --log-every 2
[[ $(final logged digest) == "$(final whole digest)" ]] || fail "--log-every has changed the run"

# The number of groups is the run's, though nobody gave it.
clean 2 "${files[@]}" "${small[@]}" --epochs 1 --out grouped
cp -r grouped alone
clean 2 --out grouped --resume auto --epochs 2
clean 1 --out alone --resume auto --epochs 2
same_run grouped alone
start 2 3 --out alone --resume auto --epochs 3
grep -Eq '^--groups 2: there are 3 ranks' err || fail "3 ranks, 2 groups: $(<err)"

# ---- files ----

refused 2 '^--train: is not the file that the run in run/last\.h5 has read \(SHA-256' --out run --resume auto --train other/train.conll
refused 2 '^--dev: is not the file' --out run --resume auto --dev other/dev.conll
refused 2 '^--test: the run in run/last\.h5 has none' --out run --resume auto --test given/test.conll
cp -r two moved
mv given/train.conll given/text
start 3 1 --out moved --resume auto --epochs 4
grep -q '^given/train\.conll: ' err || fail "a missing file: $(<err)"
clean 1 --out moved --resume auto --epochs 4 --train given/text
same_run whole moved
cp other/train.conll given/train.conll # another text under the old name
refused 2 '^--train: is not the file' --out run --resume auto --epochs 5
mv given/text given/train.conll

# ---- checkpoints that are damaged ----

# damage KIND FILE
damage() {
    local size
    size=$(stat -c %s "$2")
    case $1 in
    cut) truncate -s $((size * 2 / 3)) "$2" ;;
    empty) : >"$2" ;;
    text) echo 'no checkpoint' >"$2" ;;
    head) flip "$2" 9 4 ;;
    labels) flip "$2" "$(grep -abom 1 B-PER "$2" | head -n 1 | cut -d : -f 1)" 4 ;;
    history) flip "$2" "$(grep -abom 1 '"event": "epoch"' "$2" | head -n 1 | cut -d : -f 1)" 4 ;;
    middle) flip "$2" $((size / 2)) 4 ;;
    esac
}

# Two checkpoints: after the first epoch and a step, and at the end of the second.
clean 2 "${files[@]}" "${options[@]}" --epochs 2 --max-steps 5 --out pair
clean 1 --out pair --resume auto --max-steps 0
[[ -e pair/last-1.h5 ]] || fail "no last-1.h5: $(ls pair)"
ranks=0
for kind in cut empty text head labels history middle; do
    ranks=$((ranks % 3 + 1))
    dir=$kind-last
    cp -r pair $dir
    damage $kind $dir/last.h5
    start 0 $ranks --out $dir --resume auto --max-steps 0 --epochs 4
    [[ $(wc -l <err) == 1 ]] || fail "$dir: not one line: $(<err)"
    grep -Eq "^$dir/last\\.h5: .*; trying $dir/last-1\\.h5\$" err || fail "$dir: $(<err)"
    case $kind in
    labels) grep -q "^$dir/last\.h5: /*vocab/labels: " err || fail "$dir: $(<err)" ;;
    history) grep -q "^$dir/last\.h5: /*history: " err || fail "$dir: $(<err)" ;;
    esac
    goes_on $dir/last-1.h5 5
    same_run whole $dir

    dir=$kind-both
    cp -r pair $dir
    damage $kind $dir/last.h5
    damage $kind $dir/last-1.h5
    start 4 $ranks --out $dir --resume auto --epochs 4
    [[ $(wc -l <err) == 2 ]] || fail "$dir: not two lines: $(<err)"
    for file in $dir/last.h5 $dir/last-1.h5; do
        grep -q "^$file: " err || fail "$dir: $file is not named: $(<err)"
    done
done
cp -r pair gone # a kill between two renames leaves no last.h5
rm gone/last.h5
clean 1 --out gone --resume auto --max-steps 0 --epochs 4
goes_on gone/last-1.h5 5
same_run whole gone

# ---- how many stay ----

# kept DIR NAME...: these checkpoints, and no part of one
kept() {
    local dir=$1
    shift
    [[ $(cd "$dir" && find . -name '*.h5*' ! -name best.h5 ! -name routes.h5 -printf '%f\n' | sort | tr '\n' ' ') == "$* " ]] ||
        fail "$dir has $(ls "$dir"), not $*"
}
often=("${files[@]}" "${options[@]}" --epochs 2 --checkpoint-every 0.000001)
clean 2 "${often[@]}" --out many --keep 3
kept many last-1.h5 last-2.h5 last.h5
cp -r many fewer
clean 1 --out fewer --resume auto --epochs 3 --keep 1
kept fewer last.h5
clean 1 "${often[@]}" --out one --keep 1
kept one last.h5
clean 1 "${files[@]}" "${options[@]}" --epochs 4 --out many --overwrite
kept many last.h5
same_run whole many
