#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Layers are law: every #include goes down, foreign libraries stay in their layer, memory comes from base/arena.
set -euo pipefail
# shellcheck source=tests/house/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

declare -A may_include=(
    [base]=""
    [math]="base"
    [comm]="base"
    [store]="base comm"
    [data]="base"
    [nn]="base math"
    [moe]="base math comm nn"
    [model]="base math comm data nn moe"
    [train]="base math comm store data nn moe model"
    [report]="base store"
    [app]="base math comm store data nn moe model train report"
)
declare -A foreign=(
    [base]="Random123/*.h zlib.h utf8proc.h openssl/*.h"
    [math]="cblas.h"
    [comm]="mpi.h"
    [store]="hdf5.h hdf5_hl.h"
    [app]="ini.h"
)
libc="assert ctype errno fcntl float inttypes limits locale math pthread setjmp signal stdarg stdatomic
    stdbool stddef stdint stdio stdlib string strings time unistd dirent
    sys/ioctl sys/mman sys/resource sys/stat sys/statvfs sys/time sys/types sys/wait"

# Does the word fit one of the patterns?
fits() {
    local word=$1 pattern
    shift
    for pattern in "$@"; do
        # shellcheck disable=SC2053  # the right side is a pattern
        [[ $word == $pattern ]] && return 0
    done
    return 1
}

# file:line, layer and target of every #include, with its < or ".
list_includes() {
    grep -rnE '^[[:space:]]*#[[:space:]]*include' "$@" --include='*.[ch]' |
        sed -E 's|^((src\|include)/([^/:]+)[^:]*:[0-9]+):.*include[[:space:]]*([<"][^>"]*)[>"].*|\1 \3 \4|'
}

check_includes() {
    local place layer target header below patterns
    while read -r place layer target; do
        header=${target:1}
        read -ra below <<<"$layer ${may_include[$layer]-}"
        if [ -z "${may_include[$layer]+known}" ]; then
            problem "$place: $layer is no layer"
        elif [[ $target == \"* ]]; then
            [ -f "include/$header" ] || problem "$place: include/$header does not exist"
            fits "${header%%/*}" "${below[@]}" || problem "$place: $layer may not include $header"
        else
            read -r -d '' -a patterns <<<"${libc//[$'\n']/ }" || true
            patterns=("${patterns[@]/%/.h}")
            read -ra below <<<"${foreign[$layer]-}"
            fits "$header" "${patterns[@]}" "${below[@]}" ||
                problem "$place: $layer may not include <$header>"
        fi
    done < <(list_includes src include)
}

# Code without comments and the insides of strings; lines stay where they are.
bare_code() {
    perl -0777 -pe '
        s{/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27}
         { my $t = $&; $t =~ s/[^\n]//g; $t }gsex' "$1"
}

check_memory() {
    local file line calls='malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup|strndup|getline'
    while IFS= read -r file; do
        [ "$file" != src/base/arena.c ] || continue
        while IFS= read -r line; do
            problem "$file:${line%%:*}: memory is for base/arena: ${line#*:}"
        done < <(bare_code "$file" | grep -nE "(^|[^[:alnum:]_.>])($calls)[[:space:]]*\(")
    done < <(find src include -name '*.[ch]' | sort)
}

check_names() {
    local name body header
    while IFS= read -r name; do
        problem "$name: two files of this name"
    done < <(find src include tests -name '*.[ch]' -printf '%f\n' | sort | uniq -d)
    for body in src/*/*.c; do
        for header in include/*/"$(basename "$body" .c).h"; do
            [ ! -f "$header" ] || [ "$header" = "include/${body:4:-1}h" ] ||
                problem "$body: its contract is in another layer: $header"
        done
    done
}

check_cycles() {
    local loop
    if ! loop=$(grep -rE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' include --include='*.h' |
        sed -E 's|^include/([^:]*):.*"(.*)".*|\1 \2|' | tsort 2>&1 >/dev/null); then
        problem "headers include each other in a circle: ${loop//$'\n'/ }"
    fi
}

check_includes
check_memory
check_names
check_cycles
finish layers
