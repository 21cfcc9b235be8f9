#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two and four hosts on one machine, each a network namespace with a name, an address and a /dev/shm of its own, joined by a
# bridge: ranks talk over TCP, and the digest is that of one rank.  Needs root and namespaces; says so and passes without.
#
#   tests/cluster/hosts.sh [ARGUMENT of moe_train ...]        with MOE_BIN, the folder of the programs (default build/release)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${MOE_BIN:-$here/../../build/release}
work=$(mktemp -d)
name=moe$$
hosts=()

skip() {
    echo "skipped: $1"
    exit 0
}

# Everything made below goes away again, also after an error.
clean() {
    local host
    for host in "${hosts[@]}" "$name-switch"; do
        ip netns pids "$host" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns del "$host" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap clean EXIT

# A command inside a host.
inside() {
    local host=$1
    shift
    # shellcheck disable=SC2016  # the inner shell expands
    nsenter --net="/run/netns/$host" unshare --uts --mount --propagation private sh -c '
        hostname "$0"
        mount -t tmpfs shm /dev/shm
        mount --bind "'"$work"'/names" /etc/hosts
        mkdir -p "'"$work"'/tmp-$0" && export TMPDIR="'"$work"'/tmp-$0"
        exec "$@"' "$host" "$@"
}

if [ "${1-}" = --agent ]; then  # mpirun calls this script as it would call ssh: HOST, then words of a command line
    trap - EXIT
    rm -rf "$work"
    work=$2
    host=$3
    shift 3
    inside "$host" sh -c "$*"
    exit
fi

[ "$(id -u)" -eq 0 ] || skip "not root"
for tool in ip nsenter unshare; do
    command -v $tool >/dev/null || skip "no $tool"
done
ip netns add "$name-switch" 2>/dev/null || skip "no network namespaces here"
ip -n "$name-switch" link add br0 type bridge
ip -n "$name-switch" link set br0 up

echo "127.0.0.1 localhost" >"$work/names"
add_host() {
    local host=$name-$1
    ip netns add "$host"
    hosts+=("$host")
    ip link add e0 netns "$host" type veth peer name "port$1" netns "$name-switch"
    ip -n "$name-switch" link set "port$1" master br0 up
    ip -n "$host" link set lo up
    ip -n "$host" addr add "198.18.9.$1/24" dev e0
    ip -n "$host" link set e0 up
    echo "198.18.9.$1 $host" >>"$work/names"
}
for i in 1 2 3 4; do
    add_host $i
done

# shellcheck source=launch/env.sh
source "$here/../../launch/env.sh"
unset OMPI_MCA_btl  # a test's setting for one machine
"$bin/moe_corpus" --out "$work/corpus" --sentences 300 >/dev/null
train=("$bin/moe_train" --train "$work/corpus/train.conll" --dev "$work/corpus/dev.conll" --overwrite --groups 8
    --epochs 3 --hidden 16 --expert-hidden 16 --word-dim 16 --progress none --timeout 60 "$@")
digest() {
    sed -n 's/.*"event": "final".*"digest": "\([0-9a-f]*\)".*/\1/p' "$1/metrics.jsonl"
}

"${train[@]}" --out "$work/alone" >/dev/null
printf '#!/bin/sh\nexec bash "%s" --agent "%s" "$@"\n' "${BASH_SOURCE[0]}" "$work" >"$work/agent"
chmod +x "$work/agent"
for n in 2 4; do
    printf '%s slots=1\n' "${hosts[@]:0:n}" >"$work/hostfile"
    inside "${hosts[0]}" mpirun --hostfile "$work/hostfile" -np $n --mca plm_rsh_agent "$work/agent" \
        --mca oob_tcp_if_include e0 --mca btl self,tcp --mca btl_tcp_if_include e0 --bind-to none \
        -x OPENBLAS_NUM_THREADS "${train[@]}" --out "$work/hosts-$n" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        echo "FAILED: $n hosts" >&2
        exit 1
    }
    [ "$(digest "$work/alone")" = "$(digest "$work/hosts-$n")" ] || {
        echo "FAILED: $n hosts have another digest" >&2
        exit 1
    }
    echo "$n hosts over TCP: digest $(digest "$work/hosts-$n")"
done
