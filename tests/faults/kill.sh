#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run that is killed, or asked to stop, at any moment: --resume auto reaches what the unbroken run does, to the last bit.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"
child=

# The processes that an mpirun started.
ranks_of() {
    cat "/proc/$1/task/$1/children" 2>/dev/null || true
}

leave() {
    local pid
    [[ -z $child ]] || for pid in $(ranks_of "$child") "$child"; do kill -KILL "$pid" 2>/dev/null || true; done
    rm -rf "$tmp"
}
trap leave EXIT

"$MOE_BIN/moe_corpus" --out given --sentences 300 --overwrite >/dev/null
options=(--train given/train.conll --dev given/dev.conll "${small[@]}" --groups 4 --experts 5 --dropout 0.2 --lr 0.02
    --average 0.9 --epochs 100 --log-every 10 --progress plain)
train 1 "${options[@]}" --out whole >out 2>err || fail "the unbroken run: $(<err)"

# begin DIR RANKS ARGUMENTS...: a job in the background
begin() {
    local dir=$1 ranks=$2
    shift 2
    rm -f out
    mpirun -np "$ranks" "$MOE_BIN/moe_train" "${options[@]}" --out "$dir" --resume auto "$@" >out 2>err </dev/null &
    child=$!
}

# end: the job has ended, code is how
end() {
    local tries
    for ((tries = 0; tries < limit * 20; tries++)); do
        [[ -e /proc/$child && $(cut -d ' ' -f 3 "/proc/$child/stat" 2>/dev/null) != Z ]] || break
        sleep 0.05
    done
    ((tries < limit * 20)) || fail "the job does not end: $(<err)"
    code=0
    wait "$child" 2>/dev/null || code=$?
    child=
}

# started RANKS: the ranks have begun; mpirun may wait for ever for one that is killed before it has called
started() {
    local tries
    for tries in {1..1000}; do
        if [[ -s out ]]; then
            read -ra rank <<<"$(ranks_of "$child")"
            ((${#rank[@]} == $1)) || fail "${#rank[@]} ranks: $(<err)"
            return 0
        fi
        sleep 0.01
    done
    fail "no word in 10 s: $(<err)"
}

# under_way: the last start has trained some epochs
under_way() {
    local tries
    for tries in {1..400}; do
        (($(grep -cs '^epoch ' out) < 3)) || return 0
        sleep 0.02
    done
    fail "no epoch in 8 s: $(<err)"
}

# finish DIR RANKS: goes on to the end
finish() {
    begin "$1" "$2"
    end
    [[ $code == 0 ]] || fail "$1: goes on with exit code $code: $(<err)"
    same_run whole "$1"
}

# ---- kill -9 ----

# Saved all the time, killed so many ms after the ranks have begun: while they train, save or leave; twice before they save.
RANDOM=7 kills=0 runs=1 resumed=0 inside=0
while ((kills < 20)); do
    dir=killed-$runs
    ranks=$((1 + RANDOM % 4))
    touch before
    if ((kills < 2)); then every=0; else every=0.05; fi
    begin "$dir" $ranks --checkpoint-every "$every" --keep $((1 + runs % 3))
    started $ranks
    sleep "$(printf '0.%03d' $((RANDOM % 600)))"
    victims=("${rank[@]}")
    ((kills % 2)) || victims=("${rank[RANDOM % ranks]}")
    if kill -KILL "${victims[@]}" 2>/dev/null; then
        kills=$((kills + 1))
    fi
    end
    [[ $code == 137 || $code == 0 ]] || fail "$dir: exit code $code after a kill: $(<err)"
    ! grep -Ev ' ha(s|ve) died: a crash' err || fail "$dir: said more: $(<err)"
    ! grep -q '^resumed from' out || resumed=$((resumed + 1))
    [[ ! -d $dir ]] || inside=$((inside + $(find "$dir" -name "*.part" -newer before | wc -l)))
    if [[ $code == 0 ]]; then # it was too late for this run
        same_run whole "$dir"
        runs=$((runs + 1))
    fi
done
finish "$dir" 3
((resumed > 0 && inside > 0)) || fail "$resumed starts went on, $inside kills inside a save"

# ---- requests ----

# asked DIR RANKS SIGNAL WHOM: mpirun, or ranks by their place; the run is saved, says so and leaves with 75
asked() {
    local dir=$1 ranks=$2 signal=$3 i start took
    begin "$dir" "$ranks" --checkpoint-every 0
    started "$ranks"
    under_way
    start=$(date +%s%N)
    if [[ $4 == mpirun ]]; then
        kill "-$signal" "$child"
    else
        for i in $4; do kill "-$signal" "${rank[i]}"; done
    fi
    end
    took=$((($(date +%s%N) - start) / 1000000))
    [[ $code == 75 ]] || fail "$signal to $4 of $ranks: exit code $code: $(<err)"
    ((took < 10000)) || fail "$signal to $4 of $ranks: took $took ms"
    [[ $(wc -l <err) == 1 ]] || fail "$signal to $4 of $ranks: not one line: $(<err)"
    grep -Eq '^stopped after step [0-9]+ as asked; go on with --resume auto$' err || fail "$signal to $4: $(<err)"
}

begin run 3 --stop-after 0.2
end
[[ $code == 75 && $(wc -l <err) == 1 ]] || fail "--stop-after: exit code $code: $(<err)"
asked run 3 USR1 mpirun
asked run 2 USR1 1
asked run 4 TERM 2
asked run 3 USR1 '0 1 2'
asked run 2 TERM 0

# mpirun, told to end, gives its ranks a second: nothing but the time since the last checkpoint is lost.
begin run 2 --checkpoint-every 0.2
started 2
under_way
start=$(date +%s%N)
kill -TERM "$child"
end
took=$((($(date +%s%N) - start) / 1000000))
((took < 3000 && code != 0)) || fail "TERM to mpirun: exit code $code after $took ms: $(<err)"

finish run 1
echo "20 kills, $inside inside a save; $resumed starts went on"
