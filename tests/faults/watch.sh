#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No silent hang: ranks that sleep, stop, compute for ever or die end the job in time, and one line names those who are late.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"
late=$MOE_BIN/tests/late
child=

# A stopped rank takes no other signal; what mpirun left behind, by its id.
leave() {
    local pid
    [[ -z $child ]] || for pid in $(ranks_of "$child"); do kill -KILL "$pid" 2>/dev/null || true; done
    [[ -z $child ]] || kill -KILL "$child" 2>/dev/null || true
    rm -rf "$tmp"
}
trap leave EXIT

# The processes that an mpirun started, in the order of their ranks.
ranks_of() {
    cat "/proc/$1/task/$1/children" 2>/dev/null || true
}

now() {
    date +%s%N
}

# ended CODES FROM TO WHAT: the last job ended with one of these codes, between FROM and TO ms after $start, and left nobody
ended() {
    local took=$((($(now) - start) / 1000000)) pid
    [[ " $1 " == *" $code "* ]] || fail "$4: exit code $code: $(<err)"
    ((took >= $2)) || fail "$4: ended after $took ms"
    ((took <= $3)) || fail "$4: took $took ms"
    for pid in "${started[@]}"; do
        [[ ! -e /proc/$pid || $(cut -d ' ' -f 3 "/proc/$pid/stat") == Z ]] || fail "$4: left process $pid"
    done
}

# one_line REGEX WHAT: standard error is this line and nothing else
one_line() {
    [[ $(wc -l <err) == 1 ]] || fail "$2: not one line: $(<err)"
    grep -Eq -- "$1" err || fail "$2: not the line '$1': $(<err)"
}

# job RANKS ARGUMENTS...: late, from start to end
job() {
    start=$(now) code=0 started=()
    timeout 20 mpirun -np "$1" "$late" "${@:2}" >out 2>err || code=$?
}

job 3 1 counts sleep 9 # no such rank
[[ $code == 0 && ! -s err ]] || fail "nobody is late: exit code $code: $(<err)"

advice='all ranks are stopped \(raise --timeout when they are only slow\)$'
# late_ranks RANKS TIMEOUT WHERE HOW "LATE..." REGEX: the job ends after the time-out and the second in which the others answer
late_ranks() {
    local list ms
    read -ra list <<<"$5"
    ms=$(awk "BEGIN { print int(1000 * $2) }")
    job "$1" "$2" "$3" "$4" "${list[@]}"
    one_line "^no sign of rank ${5// /, } for [0-9] s, while rank $6; $advice" "$3 $4 $5"
    ended 1 "$ms" $((ms + 3000)) "$3 $4 $5"
}
last='was last seen in step'
late_ranks 3 1.4 counts sleep 1 "0 waits in step 7 \(counts of rows\); rank 1 $last 6 with 2 rows"
late_ranks 3 0.4 rows loop 0 "1 waits in step 7 \(rows to the experts\); rank 0 $last 7 with 2 rows"
late_ranks 4 0.4 sum stop '1 3' "0 waits in step 7 \(sum of ones\); rank 1 $last 6 with 2 rows"
late_ranks 3 0.4 copy sleep 2 "0 waits in step 7 \(sum of ones\); rank 2 $last 6 with 2 rows"
died='died: a crash, or a kill by somebody or for want of memory; all ranks are stopped$'
job 3 2 counts die 1
one_line "^rank 1 \\(process [0-9]+\\) has $died" 'a dead rank'
ended 137 0 2500 'a dead rank'
job 4 2 counts die 0 3
# mpirun may stop the rest before it notices the second
one_line "^rank [03] \\(process [0-9]+\\)(, rank 3 \\(process [0-9]+\\))? ha(s|ve) $died" 'two dead ranks'
ended 137 0 2500 'two dead ranks'

# ---- the trainer itself ----

"$MOE_BIN/moe_corpus" --out given --sentences 400 --overwrite >/dev/null
long=(--train given/train.conll --dev given/dev.conll "${small[@]}" --groups 4 --epochs 10000 --progress plain --log-every 5)

# train_begin DIR TIMEOUT: three ranks in the background, well into their steps; `started` are the ranks
train_begin() {
    local tries
    code=0
    rm -f out
    mpirun -np 3 "$MOE_BIN/moe_train" "${long[@]}" --out "$1" --timeout "$2" >out 2>err &
    child=$!
    for tries in {1..200}; do
        ! grep -qs 'batch 2[05]/' out || break
        sleep 0.1
    done
    ((tries < 200)) || fail "$1: no step in 20 s: $(<err)"
    read -ra started <<<"$(ranks_of $child)"
    ((${#started[@]} == 3)) || fail "$1: ${#started[@]} ranks"
}

# rank_of PROCESS
rank_of() {
    tr '\0' '\n' <"/proc/$1/environ" | sed -n 's/^OMPI_COMM_WORLD_RANK=//p'
}

train_end() {
    wait $child || code=$?
    child=
}

train_begin stopped 2
victim=$(rank_of "${started[1]}")
[[ $victim == [012] ]] || fail "process ${started[1]} is no rank"
start=$(now)
kill -STOP "${started[1]}"
train_end
waits="for [23] s, while rank $((victim == 0)) waits in step [0-9]+ \\([a-z ,]+\\); rank $victim was last seen in step [0-9]+ with [0-9]+ rows"
saves="while rank [0-2] is writing a checkpoint"
one_line "^no sign of rank ($victim $waits; $advice|([02], )*$victim(, [02])* $saves; |[0-2, ]+ $saves; )" 'moe_train, stopped'
ended 1 2000 7000 'moe_train, stopped'

train_begin dead 20
victim=$(rank_of "${started[2]}")
start=$(now)
kill -KILL "${started[2]}"
train_end
one_line "^rank $victim \\(process ${started[2]}\\) has $died" 'moe_train, dead'
ended 137 0 2500 'moe_train, dead'
