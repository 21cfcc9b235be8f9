# SPDX-License-Identifier: Apache-2.0
# Sourced by the house tests: goes to the top of the tree, MOE_SOURCE or where this folder lies.

cd "${MOE_SOURCE:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 1

# Files of the tree that fit the patterns, one a line: what git lists or would add, or all without git.
list_files() {
    {
        if [ -e .git ] && git ls-files >/dev/null 2>&1; then
            git ls-files --cached --others --exclude-standard -- "$@"
        else
            local pattern fits=()
            for pattern in "$@"; do
                fits+=(-o -name "$pattern")
            done
            find . \( -path ./build -o -path ./.git \) -prune -o -type f \( "${fits[@]:1}" \) -print
        fi
    } | while IFS= read -r file; do
        [ ! -f "$file" ] || echo "${file#./}"
    done
}

problems=0
problem() {
    echo "$*"
    problems=$((problems + 1))
}

# The verdict: exit 1 when there were problems.
finish() {
    echo "$1: $problems problems"
    [ "$problems" -eq 0 ]
    exit
}
