#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every C file is as clang-format 14 leaves it (other versions lay out some lines differently).
set -euo pipefail
# shellcheck source=tests/house/common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

for formatter in clang-format-14 clang-format ""; do
    if [ -n "$formatter" ] && "$formatter" --version 2>/dev/null | grep -q 'version 14\.'; then
        break
    fi
done
if [ -z "$formatter" ]; then
    echo "skipped: no clang-format 14 here"
    exit 0
fi
while IFS= read -r file; do
    "$formatter" "$file" | cmp -s - "$file" || problem "$file: run $formatter -i on it"
done < <(list_files '*.c' '*.h')
finish format
