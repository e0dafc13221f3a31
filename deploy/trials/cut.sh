#!/usr/bin/env bash
# What happens when the network between two processes is cut: two network namespaces joined by one pair of interfaces, one process of
# `graft adapt` in each, and after CUT_AFTER seconds (20) of training the pair goes down. As root (apt-get install iproute2); for trying only:
#   deploy/trials/cut.sh FOLDER GRAFT [GRAFT_PEER_TIMEOUT]     FOLDER takes the logs and the run; GRAFT is the command, as ./graft
# Called from the project's root. Prints, for each process, the time from the cut to its end, its exit code and the last line that it wrote.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,6p' "$0" >&2; exit 2; }
folder="$(mkdir -p "$1" && cd "$1" && pwd)"
graft="$2"
timeout="${3:-20}"
a="graft-a-$$"
b="graft-b-$$"
trap 'ip netns del "$a" 2>/dev/null || true; ip netns del "$b" 2>/dev/null || true' EXIT
ip netns add "$a"
ip netns add "$b"
ip link add "va$$" netns "$a" type veth peer name "vb$$" netns "$b"
for side in "$a va$$ 10.77.0.1" "$b vb$$ 10.77.0.2"; do
    read -r space interface address <<<"$side"
    ip -n "$space" link set lo up
    ip -n "$space" addr add "$address/24" dev "$interface"
    ip -n "$space" link set "$interface" up
done

start() { # namespace, interface, rank
    ip netns exec "$1" env RANK="$3" WORLD_SIZE=2 LOCAL_RANK=0 MASTER_ADDR=10.77.0.1 MASTER_PORT=29555 GLOO_SOCKET_IFNAME="$2" \
        GRAFT_PEER_TIMEOUT="$timeout" GRAFT_THREADS=1 "$graft" adapt --source models/fashion-28 --target samples/targets/bag --method finetune \
        --out "$folder/run" --set training.steps=100000 --set training.accumulation=2 --set training.batch_size=2 --set training.checkpoint_every=50 \
        --set training.meter_every=0 --set training.sample_every=0 ${RESUME:+--resume} >"$folder/process-$3.log" 2>&1 &
}

start "$a" "va$$" 0
first=$!
start "$b" "vb$$" 1
second=$!
for _ in $(seq 600); do
    grep -q 'training .*items/s' "$folder/process-0.log" && break
    sleep 0.2
done
sleep "${CUT_AFTER:-20}"
ip -n "$a" link set "va$$" down
began=$(date +%s%N)
for pair in "0 $first" "1 $second"; do
    read -r rank pid <<<"$pair"
    { tail --pid="$pid" -f /dev/null; echo "process $rank ended $((($(date +%s%N) - began) / 1000000)) ms after the cut"; } &
done
code=0
wait "$first" || code=$?
other=0
wait "$second" || other=$?
wait
echo "exit codes $code and $other; GRAFT_PEER_TIMEOUT was $timeout s"
for rank in 0 1; do
    echo "process $rank: $(tr '\r' '\n' <"$folder/process-$rank.log" | grep -v '^$' | tail -1)"
done
ls "$folder/run"
