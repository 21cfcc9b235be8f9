#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Experts and groups over ranks as a user asks for them: what is refused, the map that is shown, and odd shapes that train.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

"$MOE_BIN/moe_corpus" --out given --sentences 60 --overwrite >/dev/null
base=(--train given/train.conll --dev given/dev.conll "${small[@]}" --dropout 0.2 --lr 0.03)

# refused RANKS REGEX ARGUMENTS...: exit code 2, one line on standard error, nothing else, no folder
refused() {
    local ranks=$1 wanted=$2 code=0
    shift 2
    train "$ranks" "${base[@]}" --out refused "$@" >out 2>err || code=$?
    [[ $code == 2 ]] || fail "$ranks ranks $*: exit code $code: $(<err)"
    [[ $(wc -l <err) == 1 && ! -s out && ! -e refused ]] || fail "$ranks ranks $*: not one line: $(<err)"
    grep -Eq -- "$wanted" err || fail "$ranks ranks $*: not '$wanted': $(<err)"
}

refused 4 '^--ep-size 3: does not divide the 4 ranks; use --ep-size 2$' --ep-size 3
refused 4 '^--ep-size 8: does not divide the 4 ranks; use --ep-size 4$' --ep-size 8
refused 1 '^--ep-size 2: does not divide the 1 ranks; use --ep-size 1$' --ep-size 2
refused 2 '^--ep-size 2147483647: does not divide the 2 ranks; use --ep-size 2$' --ep-size 2147483647
refused 2 '--ep-size -1: must be ' --ep-size -1
refused 1 '--ep-size 2\.0: must be a whole number' --ep-size 2.0
refused 1 '--ep-size 99999999999999999999: must be ' --ep-size 99999999999999999999
refused 3 '^--groups 2: there are 3 ranks and each needs a group; use --groups 3 or fewer ranks$' --groups 2
refused 2 '^--groups 17: a batch has only 16 sentences; use --groups 16 or a larger --batch$' --groups 17
refused 1 '--groups -1: must be between 0 and 4096' --groups -1
refused 1 '--groups 5000: must be between 0 and 4096' --groups 5000
refused 2 '--groups two: must be a whole number between 0 and 4096' --groups two
refused 4 '^--groups 2: there are 4 ranks ' --groups 2 --ep-size 3
refused 6 '^--ep-size 4: does not divide the 6 ranks; use --ep-size 3$' --ep-size 4
refused 2 '^--ep-size 3: does not divide the 2 ranks; use --ep-size 2$' --ep-size 2 --ep-size 3
refused 2 '--ep-size: needs a value' --ep-size
refused 2 '^--ep-size 2: --ffn dense has no experts; use --ep-size 1$' --ep-size 2 --ffn dense
refused 2 '^--ep-size 2: --ffn none has no experts; use --ep-size 1$' --ep-size 2 --ffn none
refused 4 '^--batch 3: there are 4 ranks and each needs a sentence of a batch; use --batch 4 or fewer ranks$' --batch 3
refused 3 '^--groups 4: a batch has only 3 sentences; use --groups 3 or a larger --batch$' --batch 3 --groups 4
refused 2 '^--batch 1: ' --batch 1 --groups 2
refused 2 '--batch 0: must be ' --batch 0
refused 2 '--experts 0: must be between 1 and 1024' --experts 0
refused 2 '--experts 2147483648: must be between 1 and 1024' --experts 2147483648
refused 2 '^--top-k 3: --experts is 2; raise it$' --experts 2 --top-k 3
refused 2 '--top-k 0: must be between 1 and 64' --top-k 0
refused 3 '--capacity-factor -1: must be ' --capacity-factor -1
refused 3 '--capacity-factor nan: must be a number ' --capacity-factor nan
refused 3 '--min-capacity -1: must be 1 or more' --min-capacity -1
refused 2 '--sum plain: must be tree or mpi' --sum plain
refused 2 '--timeout 0: must be between ' --timeout 0
refused 2 '^--train -: needs a file that every rank can read$' --train -

# map RANKS HEAD LINES ARGUMENTS...: the lines of --dry-run that say who holds what
map() {
    local ranks=$1 head=$2 lines=$3
    shift 3
    train "$ranks" "${base[@]}" --dry-run "$@" >out 2>err || fail "$ranks ranks $*: $(<err)"
    diff <(sed -n '/^ranks: /p; /^  rank /p; /^  \.\.\./p' out) <(printf '%s' "ranks: $head" "$lines" $'\n') >&2 ||
        fail "the map of $ranks ranks $*"
}

map 1 '1 = 1 replicas x 1 expert-parallel' ''
map 3 '3 = 1 replicas x 3 expert-parallel' '
  rank 0: groups 0-1, experts 0
  rank 1: groups 2-4, experts 1-2
  rank 2: groups 5-7, experts 3-4' --experts 5 --groups 8
map 4 '4 = 2 replicas x 2 expert-parallel' '
  rank 0: groups 0, experts 0
  rank 1: groups 1, experts 1-2
  rank 2: groups 2, experts 0
  rank 3: groups 3, experts 1-2' --experts 3 --groups 4
map 4 '4 = 1 replicas x 4 expert-parallel' '
  rank 0: groups 0, experts none
  rank 1: groups 1, experts 0
  rank 2: groups 2, experts 1
  rank 3: groups 3, experts 2' --experts 3 --groups 4 --ep-size 4
map 2 '2 = 2 replicas x 1 expert-parallel' '
  rank 0: groups 0-3
  rank 1: groups 4-7' --ffn dense --groups 8
map 10 '10 = 2 replicas x 5 expert-parallel' '
  rank 0: groups 0, experts 0
  rank 1: groups 1, experts 1-2
  rank 2: groups 2, experts 3
  rank 3: groups 3, experts 4-5
  rank 4: groups 4, experts 6-7
  rank 5: groups 5, experts 0
  rank 6: groups 6, experts 1-2
  rank 7: groups 7, experts 3
  ...
  rank 9: groups 9, experts 6-7' --groups 10

# equal E RANKS ARGUMENTS...: the weights of one rank after the same steps
equal() {
    local experts=$1 ranks=$2
    shift 2
    local one=one-$experts many=many-$experts-$ranks
    local common=("${base[@]}" --experts "$experts" --groups 8 --epochs 1 --progress none --capacity-factor 0.75)
    [[ -e $one ]] || train 1 "${common[@]}" --out "$one" >out 2>&1 || fail "$one: $(<out)"
    train "$ranks" "${common[@]}" --out "$many" "$@" >out 2>&1 || fail "$many: $(<out)"
    [[ $(final "$many" digest) =~ ^[0-9a-f]{64}$ ]] || fail "$many: no digest"
    [[ $(final "$one" digest) == "$(final "$many" digest)" ]] || fail "$experts experts on $ranks ranks $*: other weights"
    [[ $(final "$one" dev_f1) == "$(final "$many" dev_f1)" ]] || fail "$experts experts on $ranks ranks $*: other scores"
}

equal 5 3
equal 8 6
equal 3 4 --ep-size 4
[[ $(final one-5 digest) != "$(final one-8 digest)" ]] || fail "5 experts are 8"
