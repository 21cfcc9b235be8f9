#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files that are odd but legal: moe_train reads, trains and scores them, the same on 1 and 3 ranks, and says what it
# mended.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

limit=100
"$MOE_BIN/moe_corpus" --out given --sentences 100 --overwrite >/dev/null
cd given

# survives TRAIN DEV NOTE ARGUMENTS...: a run of 1 and of 3 ranks ends well and the same; NOTE '' for not a word
survives() {
    local train=$1 dev=$2 note=$3 ranks dir
    shift 3
    for ranks in 1 3; do
        dir=../$train-$dev-$ranks
        train $ranks --train "$train" --dev "$dev" --out "$dir" "${small[@]}" --groups 8 --epochs 2 --lr 0.03 "$@" \
            >../out 2>../err </dev/null || fail "$train $dev: exit code $? with $ranks ranks: $(<../err)"
        if [[ -n $note ]]; then
            grep -q "$note" ../err || fail "$train $dev: '$(<../err)' does not say '$note'"
        fi
        [[ -n $note || ! -s ../err ]] || fail "$train $dev: said $(<../err)"
        (($(wc -l <../err) <= 12)) || fail "$train $dev: $(wc -l <../err) notes"
        same_score dev "$dir"
    done
    last=../$train-$dev-1
    [[ $(final "$last" digest) =~ ^[0-9a-f]{64}$ && $(final "$last" digest) == "$(final "$dir" digest)" ]] ||
        fail "$train $dev: 1 and 3 ranks end with other weights"
    cmp "$last/dev.predicted.conll" "$dir/dev.predicted.conll"
}

# same_tokens DEV: the predictions of the last run have the words and the gold tags of a clean file
same_tokens() {
    cmp <(cut -d ' ' -f 1,2 "$last/dev.predicted.conll") "$1" || fail "$last: other tokens than $1"
}

# learnt: the last run found (nearly) all entities of its own training text
learnt() {
    (($(final "$last" dev_f1 | cut -d . -f 1) >= 95)) ||
        fail "$last: F1 $(final "$last" dev_f1) on what it was trained on"
}

# ---- encodings: what is mended is no other text ----

survives train.conll dev.conll ''
clean=$(final "$last" digest)
for kind in crlf bom tabs gz; do
    for file in train dev; do
        case $kind in
        crlf) sed 's/$/\r/' $file.conll ;;
        bom) printf '\xef\xbb\xbf' && cat $file.conll ;;
        tabs) tr ' ' '\t' <$file.conll ;;
        gz) gzip -c $file.conll ;;
        esac >$file.$kind
    done
done
survives train.crlf dev.crlf '^dev.crlf:1: carriage return at the line end removed'
[[ $(final "$last" digest) == "$clean" ]] || fail "carriage returns change the run"
same_tokens dev.conll
survives train.bom dev.bom '^train.bom:1: byte-order mark removed'
[[ $(final "$last" digest) == "$clean" ]] || fail "a byte-order mark changes the run"
survives train.tabs dev.gz ''
[[ $(final "$last" digest) == "$clean" ]] || fail "tabs change the run"
survives train.gz dev.tabs ''
same_tokens dev.conll

printf 'caf\xe9 B-PER\n\xff\xfe\x80 O\n\xed\xa0\x80 B-PER\n\xf8\x88\x80 O\na\0b O\nc\fd O\ne\rf O\n\v O\n\n' >bytes
cat train.conll >>bytes
survives bytes bytes 'bytes:1: invalid UTF-8 kept'
head -n 4 bytes | cmp - <(head -n 4 "$last/dev.predicted.conll" | cut -d ' ' -f 1,2) ||
    fail "invalid bytes were changed"

# ---- sizes ----

awk 'BEGIN { for (i = 0; i < 10000; i++) print "w" i % 100, i % 7 == 3 ? "B-PER" : "O"; print "" }' >long
cat long train.conll >long-and-short
survives long-and-short long '' --epochs 1
same_tokens long
awk 'BEGIN { for (i = 0; i < 30; i++) print "w" i, (i % 3 ? "O" : "B-PER") "\n" }' >ones
survives ones ones '' --epochs 40 --dropout 0 --unknown 0
learnt
printf 'Ada B-PER\n' >one-token
survives one-token one-token '' --batch 1000
printf 'Ada B-PER\nsang O\nin O\nRome B-LOC' >one-sentence
survives one-sentence one-sentence '' --epochs 30 --dropout 0 --unknown 0
learnt
same_tokens <(cat one-sentence && printf '\n\n')
survives one-sentence dev.conll 'entity of a type that training lacks'
survives train.conll one-token '' --groups 200 --batch 200
grep -v ' [BI]-' train.conll >outside || true
survives train.conll outside ''
[[ $(final "$last" dev_f1) == 0 ]] || fail "no entity, yet F1 $(final "$last" dev_f1)"

# ---- labels and words ----

sed -E 's/-(ORG|LOC|MISC)$/-PER/' train.conll >type1
survives type1 type1 ''
awk 'BEGIN { for (i = 0; i < 60; i++) print "w" i, "B-T" i % 30 "\nx O\n" }' >type30
survives type30 type30 '' --epochs 80 --hidden 32 --dropout 0 --unknown 0 --lr 0.01
learnt
printf 'a B-A-B\nb I-A-B\nc B--\nd B-B-\ne O\n\nf B-I-I\n\ng B-\xc3\xa9\n\n' >hyphens
survives hyphens hyphens '' --epochs 120 --dropout 0 --unknown 0
learnt
same_tokens hyphens
awk 'BEGIN {
    for (i = 0; i < 499; i++) w = w "x"
    for (i = 0; i < 300; i++) l = l "L"
    for (i = 0; i < 9; i++) print w i, "B-PER\nsang O\n"
    for (i = 0; i < 100; i++) v = v w
    print v, "B-" l "\nsang I-" l "\n" }' >letters
survives letters letters '' --epochs 60 --dropout 0 --unknown 0 --lr 0.01
learnt
same_tokens letters
