#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A wrong count of rows stops all ranks: exit code 1, and one line however many ranks see it.
set -euo pipefail
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"

# corrupted RANKS KIND REGEX: no other line than this
corrupted() {
    local code=0
    timeout 20 mpirun -np "$1" "$MOE_BIN/tests/test_exchange" corrupt "$2" >out 2>err || code=$?
    [[ $code == 1 ]] || fail "$2 on $1 ranks: exit code $code: $(<err)"
    [[ $(wc -l <err) == 1 && ! -s out ]] || fail "$2 on $1 ranks: not one line: $(<err)"
    grep -Eq "exchange\.c:[0-9]+: $3" err || fail "$2 on $1 ranks: not '$3': $(<err)"
}

timeout 20 mpirun -np 2 "$MOE_BIN/tests/test_exchange" corrupt nothing >out 2>err || fail "nothing is wrong: $(<err)"
[[ ! -s err ]] || fail "nothing is wrong: $(<err)"
for ranks in 2 4; do
    corrupted $ranks lost 'rows were lost or made up: sent less received is 5$'
    corrupted $ranks negative "rank $((ranks - 1)) says that it sends -3 rows\$"
done
corrupted 3 fewer 'rows were lost or made up: sent less received is -1$'

# The message library sees this one, and says so in lines of its own.
code=0
timeout 20 mpirun -np 3 "$MOE_BIN/tests/test_exchange" corrupt more >out 2>err || code=$?
[[ $code == 1 ]] || fail "more: exit code $code: $(<err)"
(($(grep -c '^[^ ]*\.c:[0-9]*: ' err) == 1)) || fail "more: not one line of ours: $(<err)"
