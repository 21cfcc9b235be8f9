#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The routing log: the same on any number of ranks and after a resume, equal to a recount of its tokens, and readable while it grows
# and after a kill.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"
routes=$MOE_BIN/tests/routes

"$MOE_BIN/moe_corpus" --out given --sentences 200 --overwrite >/dev/null
base=(--train given/train.conll --dev given/dev.conll "${small[@]}" --groups 4 --lr 0.03 --progress none)

# ---- the same on any number of ranks, equal to a recount ----

for experts in 8 5; do
    for ranks in 1 2 4; do
        train $ranks "${base[@]}" --experts $experts --capacity-factor 1 --epochs 2 --route-every 1 --trace-tokens 1 \
            --out "r-$experts-$ranks" >/dev/null 2>err || fail "$(<err)"
        [[ ! -s err ]] || fail "$experts experts, $ranks ranks: $(<err)"
        "$routes" equal "r-$experts-1/routes.h5" "r-$experts-$ranks/routes.h5" || fail "$experts experts: $ranks ranks have another log"
    done
    "$routes" recount "r-$experts-4/routes.h5" 13 || fail "$experts experts: a recount gives other figures"
done
[[ $("$routes" rows r-8-1/routes.h5) == '26 3 '* ]] || fail "rows: $("$routes" rows r-8-1/routes.h5)"
! "$routes" equal r-8-1/routes.h5 r-5-1/routes.h5 2>/dev/null || fail "8 experts are 5"

# ---- after a resume ----

train 3 "${base[@]}" --experts 8 --capacity-factor 1 --epochs 2 --route-every 1 --trace-tokens 1 --max-steps 17 --out again \
    >/dev/null 2>err || fail "$(<err)"
train 2 --out again --resume auto --max-steps 0 >/dev/null 2>err || fail "$(<err)"
[[ ! -s err ]] || fail "resumed: $(<err)"
"$routes" equal r-8-1/routes.h5 again/routes.h5 || fail "a resumed run has another log"
cp -r again lost
rm lost/routes.h5
train 1 --out lost --resume auto --epochs 3 >/dev/null 2>err || fail "$(<err)"
[[ $(wc -l <err) == 1 ]] && grep -q '^lost/routes.h5: .*; the routing log begins anew$' err || fail "a lost log: $(<err)"
[[ $("$routes" rows lost/routes.h5) == '13 1 '* ]] || fail "a lost log: $("$routes" rows lost/routes.h5)"

# ---- while it grows, and after a kill ----

train 2 "${base[@]}" --epochs 100000 --route-every 1 --out "$tmp/live" --checkpoint-every 0.2 >/dev/null 2>err &
child=$!
for ((tries = 0; tries < 200; tries++)); do
    [[ ! -e live/routes.h5 ]] || break
    sleep 0.05
done
"$routes" follow live/routes.h5 600 >followed || fail "following: $(<followed)"
read -r _ _ _ _ _ grown _ _ looks _ <<<"$(<followed)"
((grown >= 3 && looks >= 20)) || fail "following: $(<followed)"
for ((tries = 0; tries < 20; tries++)); do # the file is closed between flushes
    ! h5dump -H live/routes.h5 >/dev/null 2>&1 || break
    sleep 0.05
done
! command -v h5dump >/dev/null || ((tries < 20)) || fail "h5dump never opened the log"
pkill -KILL -f -- "--out $tmp/live" || true # all ranks, and mpirun
wait $child 2>/dev/null || true
[[ $("$routes" rows live/routes.h5 | cut -d ' ' -f 1) -ge 600 ]] || fail "rows were lost"
steps=$("$MOE_BIN/moe_info" live/last.h5 | sed -nE 's/^done .* epochs, ([0-9]+) steps.*/\1/p')
train 1 --out live --resume auto --max-steps $((steps + 50)) --checkpoint-every 300 >/dev/null 2>err || fail "$(<err)"
[[ ! -s err && $("$routes" rows live/routes.h5) == "$((steps + 50)) "* ]] || fail "after the kill: $(<err) $("$routes" rows live/routes.h5)"
for ((i = 0; i < 6; i++)); do # many moments, some of them inside a flush
    train 2 "${base[@]}" --epochs 100000 --route-every 1 --out "$tmp/hit" --overwrite --checkpoint-every 0.02 >/dev/null 2>&1 &
    child=$!
    sleep 1.$((i * 37 % 100))
    pkill -KILL -f -- "--out $tmp/hit" || true
    wait $child 2>/dev/null || true
    [[ ! -e hit/routes.h5 ]] || "$routes" rows hit/routes.h5 >/dev/null || fail "kill $i: the log does not open"
done
