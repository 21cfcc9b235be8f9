#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A full disk: wherever a file of all ranks ceases to fit, every rank says so, nothing hangs, the file before it stays whole.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
# shellcheck source=tests/programs/common.bash
source "$MOE_SOURCE/tests/programs/common.bash"
tool=$MOE_BIN/tests/full_disk
mkdir disk
file=$tmp/disk/a.h5

# job RANKS ARGUMENTS...: the tool, from start to end
job() {
    code=0
    timeout "$limit" mpirun -np "$1" "$tool" "${@:2}" >out 2>err || code=$?
}

# good WHAT: the last job went well, and the folder has the file and nothing else
good() {
    [[ $code == 0 && ! -s err ]] || fail "$1: exit code $code: $(<err)"
    [[ $(ls disk) == a.h5 ]] || fail "$1: the folder has $(ls disk)"
}

# on_disk RANKS KILOBYTES: a file system of that size, for the time of this function
on_disk() {
    local what="$1 ranks, $2 kB"
    mount -t tmpfs -o "size=${2}k" none disk
    job "$1" write "$file" 1
    good "$what: the first file"
    job "$1" write "$file" 2
    [[ $code == 1 ]] || fail "$what: exit code $code: $(<err)"
    [[ $(grep -Fxc "1 $file: cannot be written: No space left on device" out) == "$1" ]] || fail "$what: $(<out)"
    [[ $(wc -l <err) == 1 ]] || fail "$what: not one line: $(<err)"
    job "$1" read "$file" 1
    good "$what: the first file again"
    umount disk
}

if [[ ${1-} == mounted ]]; then
    for kilobytes in 1024 1500 4000 8191 9000 9700 10000; do
        on_disk 1 $kilobytes
        on_disk 4 $kilobytes
    done
    exit
fi

# A limit on the size of files needs no rights: many places in which the space ends.
for pair in '1 40009' '3 150001' '4 200003'; do
    read -r ranks by <<<"$pair"
    job "$ranks" write "$file" 1
    good "$ranks ranks: the first file"
    job "$ranks" limits "$file" 1 "$by"
    good "$ranks ranks, limits"
    (($(cut -d ' ' -f 1 out) > 40)) || fail "$ranks ranks: $(<out)"
done

# A file system of our own, which nobody else sees, that is really full.
if unshare --map-root-user --mount mount -t tmpfs none disk 2>/dev/null; then
    unshare --map-root-user --mount bash "$self" mounted
else
    echo 'no file system can be mounted here: skipped'
fi
