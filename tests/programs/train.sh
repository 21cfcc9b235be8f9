#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# moe_train as a user runs it: options, files of a run, scores, when it stops, and what it shows.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

"$MOE_BIN/moe_corpus" --out given --sentences 400 --overwrite >/dev/null
files=(--train given/train.conll --dev given/dev.conll)
short=("${files[@]}" "${small[@]}" --lr 0.03 --dropout 0.3 --groups 4 --epochs 3)
escape=$'\033'

# run RANKS DIR ARGUMENTS...: a run that ends well and has nothing to complain about
run() {
    local ranks=$1 dir=$2
    shift 2
    train "$ranks" --out "$dir" "$@" >out 2>err || fail "$*: exit code $?: $(<err)"
    [[ ! -s err ]] || fail "$*: said $(<err)"
}

# epochs DIR FIELD: a value of every epoch line
epochs() {
    sed -nE "s/^\{\"event\": \"epoch\",.*\"$2\": ([^,}]*)[,}].*/\1/p" "$1/metrics.jsonl"
}

# ---- what is asked without training ----

"$MOE_BIN/moe_train" --help >help
grep -q '^usage: moe_train ' help || fail "--help: no usage"
awk 'length > 80 { print "--help: over 80 columns: " $0; bad = 1 } END { exit bad }' help >&2
mapfile -t options < <(sed -nE 's/^ *(TEXT|INT|FLAG|CHOICE|REAL)\("([a-z-]+)".*/\2/p
    s/^ *REAL\($/next/p; s/^ *"([a-z-]+)", [a-z_]+, "[0-9.]+",.*/\1/p
    s/^ *\{\.name = "([a-z-]+)",$/\1/p' "$MOE_SOURCE/src/app/train_settings.c" | grep -vx next)
((${#options[@]} >= 45)) || fail "found only ${#options[@]} options in the table"
for option in "${options[@]}"; do
    grep -q -- "^  --$option\b" help || fail "--help does not mention --$option"
done
(($(grep -c '^  --' help) == ${#options[@]})) || fail "--help has other options than the table"
train 1 --version >out
grep -Eq '^moe_train [0-9]+\.[0-9.]+ ' out || fail "--version"
train 2 --version >out
(($(grep -c "^moe_train " out) == 1)) || fail "--version of two ranks"

train 1 "${short[@]}" --dry-run --groups 8 --experts 4 --top-k 1 --out dry >out
for pattern in '^parameters: dense [0-9]+, experts [0-9]+, word vectors [0-9]+; active per token [0-9]+' \
    '^work per token: [0-9.]+ MFLOP forward' '^memory per rank: [0-9]+ MiB' \
    '^ranks 1, groups 8, batch 16 sentences' '^experts 4, 1 per token, capacity [0-9]+ of about [0-9]+ tokens'; do
    grep -Eq "$pattern" out || fail "--dry-run does not say '$pattern': $(<out)"
done
train 2 "${short[@]}" --dry-run --capacity-factor 0 >out
grep -q '^experts 8, 2 per token, no capacity limit' out || fail "--dry-run of two ranks"
mkdir kept
train 1 "${short[@]}" --dry-run --out kept >/dev/null || fail "--dry-run with an old --out"
train 1 "${short[@]}" --dry-run --hidden 8192 --experts 1024 --expert-hidden 65536 >out ||
    fail "--dry-run of a model that no memory holds"
[[ ! -e dry && -z $(ls kept) ]] || fail "--dry-run wrote"

mkdir self
for ranks in 1 2; do
    TMPDIR=$tmp/self train $ranks --selftest >out || fail "--selftest on $ranks ranks: $(tail -n 3 out)"
    tail -n 1 out | grep -q '^selftest passed' || fail "--selftest does not say that it passed"
    (($(grep -c 'short training run' out) == 1)) || fail "--selftest on $ranks ranks says it twice"
done
[[ -z $(ls self) ]] || fail "--selftest left $(ls self)"

# ---- the files of a run ----

run 1 a "${short[@]}" --test given/test.conll --experts 5 --top-k 1 --balance-loss 0.02 --seed 12345678901 \
    --comment-prefix '#; "x' --log-every 7
run 1 b --config a/config.ini
cmp a/config.ini b/config.ini
[[ $(final a digest) =~ ^[0-9a-f]{64}$ && $(final a digest) == "$(final b digest)" ]] ||
    fail "config.ini gave another run"
cmp a/dev.predicted.conll b/dev.predicted.conll
run 2 c --config a/config.ini --seed 3
[[ $(final a digest) != "$(final c digest)" ]] || fail "the command line did not win"
grep -qx 'seed = 3' c/config.ini || fail "config.ini is not what was in force"
[[ $(cd a && echo *) == 'best.h5 config.ini dev.predicted.conll last.h5 metrics.jsonl routes.h5 test.predicted.conll' ]] ||
    fail "files: $(ls a)"
same_score dev a
same_score test a
[[ $(final a dev_f1) == "$(epochs a dev_f1 | sort -g | tail -n 1)" ]] || fail "final dev_f1 is not the best"
[[ $(final a dev_f1) == "$(epochs a dev_f1 | sed -n "$(final a best_epoch)p")" ]] || fail "best_epoch"
(($(grep -c '"event": "step"' a/metrics.jsonl) == 75 / 7)) || fail "--log-every"

run 1 d "${short[@]}" --ffn dense
! grep -q '"test_' d/metrics.jsonl || fail "test scores without --test"
[[ ! -e d/test.predicted.conll ]] || fail "test predictions without --test"
cp -r d e
run 1 e "${short[@]}" --overwrite --epochs 1
(($(wc -l <e/metrics.jsonl) == 3)) || fail "--overwrite went on in the old file"

cat >fields.pl <<'P'
use strict;
use JSON::PP;
my $dir = shift;
my %wanted = (
    step => "epoch step loss tokens_per_s",
    profile => "batch gate plan dispatch experts sums optimiser",
    epoch => "epoch step loss tokens_per_s sentences_per_s percent_of_peak drop_rate load_max_over_mean aux_loss lr"
        . " seconds dev_precision dev_recall dev_f1 dev_accuracy",
    profile => "batch bilstm gate plan dispatch exchange_wait experts crf sums optimiser",
    final => "step best_epoch seconds dev_precision dev_recall dev_f1 dev_accuracy test_precision test_recall test_f1"
        . " test_accuracy parameters_dense parameters_expert parameters_word_vectors parameters_active_per_token");
my ($last, %seen, %value) = "";
open my $in, "<", "$dir/metrics.jsonl" or die;
while (<$in>) {
    my $line = decode_json($_);
    $last = $line->{event};
    for my $field (split " ", $wanted{$last} // die "event $last\n") {
        my $value = $line->{$field} // die "$last line $.: no $field\n";
        $value =~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/ or die "$last line $.: $field is $value\n";
        $value{$field} = $value;
    }
    $seen{$last}++;
}
$last eq "final" && $seen{final} == 1 && $seen{epoch} == 3 or die "events\n";
$value{parameters_active_per_token} < $value{parameters_dense} + $value{parameters_expert} or die "active\n";
P
if perl -MJSON::PP -e 1 2>/dev/null; then
    perl fields.pl a >&2 || fail "metrics.jsonl"
else
    echo "no JSON::PP: metrics.jsonl was not parsed"
fi

# ---- when it stops ----

run 1 f "${short[@]}" --epochs 20 --max-steps 30
(($(final f step) == 30 && $(epochs f epoch | tail -n 1) == 2)) || fail "--max-steps"
run 1 g "${short[@]}" --epochs 20 --patience 2 --lr 1e-12
(($(final g step) == 75 && $(final g best_epoch) == 1)) || fail "--patience without any gain"
run 1 h "${short[@]}" --epochs 16 --lr 0.1
run 2 i "${short[@]}" --epochs 16 --lr 0.1 --patience 1
stop=$(epochs h dev_f1 | awk 'NR > 1 && $1 <= best { exit } { best = $1 } END { print NR }')
diff <(epochs h dev_f1 | head -n "$stop") <(epochs i dev_f1) || fail "--patience: not after epoch $stop"

# ---- it learns ----

for ffn in moe dense; do
    run 1 "learns-$ffn" "${files[@]}" --hidden 24 --word-dim 24 --char-dim 12 --char-filters 12 --expert-hidden 24 \
        --experts 4 --batch 16 --groups 4 --dropout 0.2 --lr 0.01 --epochs 15 --ffn "$ffn"
    same_score dev "learns-$ffn"
    (($(final "learns-$ffn" dev_f1 | cut -d . -f 1) > 60)) || fail "$ffn: F1 $(final "learns-$ffn" dev_f1)"
done

# ---- what it shows ----

# Redirected, it is lines, each once, however many ranks there are.
sed 's/$/\r/' given/dev.conll >given/crlf
for ranks in 1 2; do
    train $ranks --out "shown-$ranks" "${short[@]}" --dev given/crlf --log-every 10 >"out-$ranks" 2>"err-$ranks"
    ! grep -q "[$escape"$'\r'"]" "out-$ranks" || fail "$ranks ranks: escape sequences in a file"
    (($(grep -c '^epoch ./3  batch ' "out-$ranks") == 7 && $(grep -c '^epoch ./3  loss ' "out-$ranks") == 3)) ||
        fail "$ranks ranks: $(<"out-$ranks")"
    (($(grep -c '^share of step time' "out-$ranks") == 1)) || fail "$ranks ranks: no shares of time"
    (($(grep -c '^digest ' "out-$ranks") == 1)) || fail "$ranks ranks: no digest, or two"
done
same_lines='s/[0-9.:]* tokens.*//; s/  left.*//; /^ranks/d; /^  rank/d; /^memory/d; /^share of step time/,/^  optimiser/d'
diff <(sed "$same_lines" out-1) <(sed "$same_lines" out-2) || fail "two ranks show other lines than one"
[[ -s err-1 ]] || fail "carriage returns are mended in silence"
cmp err-1 err-2 || fail "two ranks have other notes than one"

run 1 bar "${short[@]}" --progress bar
grep -q "^1/3 \[=*>\? *\] loss .*$escape" out || fail "--progress bar: $(<out)"
! grep -q ' batch [0-9]*/' out || fail "--progress bar has plain lines"
run 1 plain "${short[@]}" --progress plain --log-every 25
(($(grep -c '^epoch ./3  batch 25/25  loss [0-9.]*  [0-9]* tokens/s  drops ' out) == 3)) ||
    fail "--progress plain: $(<out)"
run 1 none "${short[@]}" --progress none --log-every 5
! grep -Eq "^(epoch|digest)|$escape" out || fail "--progress none: $(<out)"
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    for ranks in 1 2; do
        launch=
        ((ranks == 1)) || launch='mpirun -np 2'
        timeout "$limit" script -qec "$launch $MOE_BIN/moe_train ${short[*]} --out pty-$ranks" /dev/null \
            </dev/null >out || fail "$ranks ranks on a terminal: $(<out)"
        grep -q "1/3 \[.*$escape\[K" out || fail "no bar on a terminal with $ranks ranks: $(<out)"
    done
    script -qec "stty cols 40; $MOE_BIN/moe_train ${short[*]} --out narrow" /dev/null </dev/null >out
    tr '\r' '\n' <out | sed "s/^$escape\[K//" | grep '^1/3 \[' >bars || fail "no bar on a narrow terminal"
    ! grep -q '.\{40\}' bars || fail "the bar is wider than the terminal: $(<bars)"
fi
if [[ -w /dev/full ]]; then
    code=0
    "$MOE_BIN/moe_train" --help >/dev/full 2>err || code=$?
    [[ $code == 1 && $(wc -l <err) == 1 ]] || fail "a full disk behind --help: exit code $code"
fi
