#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a user can get wrong: one line that says what and where, the right exit code, on any number of ranks; nothing is
# written and no rank is left waiting.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

limit=30
# mpirun waits a second for the other ranks when one leaves with a code; here they leave together.
export OMPI_MCA_odls_base_sigkill_timeout=0
"$MOE_BIN/moe_corpus" --out given --sentences 100 --overwrite >/dev/null
base=("${small[@]}" --epochs 1 --groups 8 --progress none)
files=(--train given/train.conll --dev given/dev.conll)

# stopped RANKS CODE PATTERN ARGUMENTS...: this exit code, and one line on standard error that matches
stopped() {
    local ranks=$1 want=$2 pattern=$3 code=0
    shift 3
    train "$ranks" "$@" >out 2>err </dev/null || code=$?
    [[ $code == "$want" ]] || fail "$ranks ranks, $*: exit code $code, not $want: $(<err)"
    [[ $(wc -l <err) == 1 ]] || fail "$ranks ranks, $*: not one line: $(<err)"
    grep -Eq -- "$pattern" err || fail "$ranks ranks, $*: '$(<err)' does not say '$pattern'"
    ! grep -Eq 'moe_train: .*moe_train: ' err || fail "$*: says its name twice: $(<err)"
}

snapshot() {
    find . ! -path ./out ! -path ./err -printf "%p %s %T@\n" | sort
}

# refused CODE PATTERN ARGUMENTS...: by one rank, and by 2 or 3 in turn, before anything is written
turn=0
refused() {
    local ranks before
    before=$(snapshot)
    turn=$((1 - turn))
    for ranks in 1 $((3 - turn)); do
        stopped "$ranks" "$@"
    done
    [[ $(snapshot) == "$before" ]] || fail "$*: wrote"
}

# input PATTERN ARGUMENTS...: a bad file; option PATTERN ARGUMENTS...: a bad option
input() {
    refused 3 "$1" "${base[@]}" --out o "${@:2}"
}
option() {
    refused 2 "$1" "${base[@]}" "${files[@]}" --out o "${@:2}"
}

: >given/empty
printf '\n\n-DOCSTART- O\n\n' >given/blank
printf 'a O\nb O\n\nc O\n' >given/outside
printf 'a B-PER\nb O\nc\n' >given/short
printf 'a B-PER\n\nb X-PER\n' >given/prefix
printf 'a B-PER\nb B-\n' >given/hyphen
printf '\xff\xfea\0' >given/utf16
gzip -c given/train.conll | head -c 400 >given/cut.gz
mkdir given/folder given/sealed
touch out err

# ---- options ----

refused 2 '^--train is missing' "${base[@]}" --dev given/dev.conll --out o
refused 2 '^--dev is missing' "${base[@]}" --train given/train.conll --out o
refused 2 '^--out is missing' "${base[@]}" "${files[@]}"
refused 2 '^--train is missing'
option '^--out is missing' --out ''
option 'hiden: unknown option; did you mean --hidden' --hiden 3
option '[-]x: unknown option' -x
option 'hidden 0: must be between 1 and 8192' --hidden 0
option 'lr 1e9: must be between' --lr=1e9
option 'dropout x: must be a number between' --dropout x
option 'lr nan: must be a number' --lr nan
option 'epochs 1.5: must be a whole number' --epochs 1.5
option 'ffn moo: must be none, dense or moe' --ffn moo
option 'seed: needs a value' --seed
option '^stray: not an option' stray
option '^--columns token=0,tag: "tag" is wrong; give' --columns token=0,tag
option '^--columns 0: "0" is wrong' --columns 0
option '^--top-k 9: --experts is 8' --top-k 9
option '^--groups 17: a batch has only 16 sentences; use --groups 16' --groups 17
option '^--out given/empty: is a file; name a folder' --out given/empty
option '^given/empty/o: cannot be written: Not a directory' --out given/empty/o
option '^given/none/o: cannot be written: No such file' --out given/none/o
[[ ! -d /proc/self ]] || option '^/proc/o: cannot be written: ' --out /proc/o
chmod 555 given/sealed
[[ -w given/sealed ]] || option '^given/sealed/o: cannot be written: Permission denied' --out given/sealed/o
stopped 2 2 '^--groups 1: there are 2 ranks .*; use --groups 2 or fewer ranks' \
    "${base[@]}" "${files[@]}" --out o --groups 1
stopped 3 2 '^--ep-size 2: does not divide the 3 ranks' "${base[@]}" "${files[@]}" --out o --ep-size 2
stopped 3 2 '^--groups 2: there are 3 ranks .*; use --groups 3 or fewer ranks' \
    "${base[@]}" "${files[@]}" --out o --groups 2
for name in train dev test vectors; do
    stopped 2 2 "^--$name -: needs a file that every rank can read" "${base[@]}" "${files[@]}" --out o --$name -
done

printf '[data]\ntrain = given/train.conll\nhiden = 3\n' >given/unknown.ini
printf '# model\n\nhidden = x\n' >given/value.ini
printf 'hidden = 3\nhidden\n' >given/syntax.ini
option '^given/unknown.ini:3: hiden: unknown option; did you mean hidden' --config given/unknown.ini
option '^given/value.ini:3: hidden = x: must be a whole number' --config given/value.ini
input '^given/syntax.ini:2: expected name = value' --config given/syntax.ini
input '^given/none.ini: cannot be opened: No such file' --config given/none.ini
input '^given/folder: is a directory' --config given/folder

# ---- corpora ----

for name in train dev test; do
    input '^given/none: cannot be opened: No such file or directory; check the path' "${files[@]}" --$name given/none
    input '^given/folder: is a directory' "${files[@]}" --$name given/folder
    input '^given/empty: no sentences: nothing to (train on|score)' "${files[@]}" --$name given/empty
done
input '^given/blank: no sentences: nothing to score' "${files[@]}" --dev given/blank
input '^given/outside: no entity' "${files[@]}" --train given/outside
input '^given/short:3: the line has 1 column where the first has 2' "${files[@]}" --dev given/short
input '^given/prefix:3: tag "X-PER" is neither' "${files[@]}" --train given/prefix
input '^given/hyphen:2: tag "B-" is neither' "${files[@]}" --train given/hyphen
input '^given/train.conll:1: no tag column 7: the line has 2 columns' "${files[@]}" --columns token=0,tag=7
input '^given/train.conll:1: no token column -9' "${files[@]}" --columns token=-9
input '^given/train.conll:1: tag "[^"]*" is neither' "${files[@]}" --columns token=1,tag=0
input '^given/utf16:1: is UTF-16' "${files[@]}" --train given/utf16
input '^given/cut.gz: truncated gzip data' "${files[@]}" --train given/cut.gz
cp given/dev.conll given/unreadable
chmod 000 given/unreadable
[[ -r given/unreadable ]] ||
    input '^given/unreadable: cannot be opened: Permission denied' "${files[@]}" --dev given/unreadable

# ---- word vectors ----

awk 'NF { print tolower($1), "0.1 -0.2 0.3 4e-1" }' given/train.conll | sort -u >given/vectors
sed '50s/ [^ ]*$//' given/vectors >given/narrow
sed '50s/$/ 0.5/' given/vectors >given/wide
sed '50s/0\.3/0.x3/' given/vectors >given/damaged
sed '50s/0\.3/nan/' given/vectors >given/nan
head -n 20 given/vectors >given/few
head -n 1 given/train.conll >given/words
gzip -c given/vectors | head -c 400 >given/cut-vectors.gz
vectors() {
    input "^given/$1" "${files[@]}" --vectors "given/$2" --word-dim 0 --word-dim 0
}
input '^given/vectors:1: vectors of width 4 where 16 is wanted' "${files[@]}" --vectors given/vectors
vectors 'narrow:50: 3 numbers, but the first line has 4' narrow
vectors 'wide:50: 5 numbers, but the first line has 4' wide
vectors 'damaged:50: "0.x3" is not a finite number' damaged
vectors 'nan:50: "nan" is not a finite number' nan
vectors 'few: has a vector for [0-9.]+ % of the [0-9]+ training tokens only, 50 % are wanted' few
vectors 'empty: is empty' empty
input '^given/vectors:1: vectors of width 4 where 5 is wanted' "${files[@]}" --vectors given/vectors --word-dim 5
vectors 'folder: is a directory' folder
vectors 'none: cannot be opened' none
vectors 'words:1: ' words
vectors 'cut-vectors.gz: truncated gzip data' cut-vectors.gz
[[ ! -e o ]] || fail "a refused run made its folder"

# ---- an old run stays as it is ----

train 1 "${base[@]}" "${files[@]}" --out old >out
echo mine >old/notes
cp -r old before
option '^--out old: exists already; name another folder, go on with --resume auto, or begin anew with --overwrite' --out old
input '^given/none: cannot be opened' --out old --overwrite "${files[@]}" --test given/none
refused 2 'hidden 0: must be' "${base[@]}" "${files[@]}" --out old --overwrite --hidden 0
diff -r before old || fail "a refused run changed an old one"
train 2 "${base[@]}" "${files[@]}" --out old --overwrite --seed 2 >out
[[ $(<old/notes) == mine ]] || fail "--overwrite removed a file"
! cmp -s before/metrics.jsonl old/metrics.jsonl || fail "--overwrite did not write"

# ---- legal: entities of a type that training lacks, and standard input for one rank ----

sed 's/-PER$/-ALIEN/' given/dev.conll >given/alien
for ranks in 1 2; do
    train $ranks "${base[@]}" "${files[@]}" --dev given/alien --out alien-$ranks >out 2>err ||
        fail "an unknown type: exit code $?"
    grep -q '^given/alien:[0-9]*: entity of a type that training lacks.*ALIEN' err || fail "an unknown type: $(<err)"
    (($(grep -c 'given/alien:[0-9]*: ' err) <= 3)) || fail "an unknown type: too many notes: $(<err)"
    grep -q ' B-ALIEN ' alien-$ranks/dev.predicted.conll || fail "an unknown type is not scored"
done
train 1 "${base[@]}" --train given/train.conll --dev - --out stdin <given/dev.conll >out 2>err ||
    fail "--dev -: $(<err)"
cmp stdin/dev.predicted.conll before/dev.predicted.conll

# ---- the run fails ----

for ranks in 1 2 3; do
    place='^step [0-9]+ \(epoch [0-9]+, batch [0-9]+, .* at given/train.conll:[0-9]+\)'
    stopped $ranks 1 "$place: the ((squared )?gradient|value) of tensor [a-z]" \
        "${base[@]}" "${files[@]}" --out nan-$ranks --optimizer sgd --lr 1000 --clip 0 --epochs 20
    mkdir full-$ranks
    ln -s /dev/full full-$ranks/config.ini
    [[ ! -w /dev/full ]] || stopped $ranks 1 '/config\.ini: cannot be written' "${base[@]}" "${files[@]}" --out full-$ranks --overwrite
done

# A disk of 16 pages of which 0, 1 or 2 are free, in a mount namespace that ends with the run.
mkdir disk
# shellcheck disable=SC2016  # for the inner shell
on_full_disk='mount -t tmpfs -o size=$((16 * $1)) tmpfs disk && head -c $(((16 - $2) * $1)) /dev/zero >disk/fill &&
    shift 2 && exec "$@"'
page=$(getconf PAGESIZE)
if unshare -m bash -c "$on_full_disk" - "$page" 0 true 2>/dev/null; then
    for free in 0 1 2; do
        for ranks in 1 2; do
            code=0
            unshare -m bash -c "$on_full_disk" - "$page" $free timeout "$limit" mpirun -np $ranks \
                "$MOE_BIN/moe_train" "${base[@]}" "${files[@]}" --out disk/o >out 2>err || code=$?
            [[ $code == 1 && $(wc -l <err) == 1 ]] || fail "a full disk, $free pages free: exit code $code: $(<err)"
            grep -Eq "cannot be written: (No space left|is the disk full)" err || fail "a full disk: $(<err)"
        done
    done
fi
