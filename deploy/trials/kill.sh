#!/usr/bin/env bash
# Kills one of two processes of `graft adapt` again and again (kill -9, the first and the second in turn), and resumes each time. For trying only:
#   deploy/trials/kill.sh FOLDER GRAFT [TIMES]     FOLDER takes the logs and the run, GRAFT is the command, as ./graft; 20 times without TIMES
# Called from the project's root. Every step saves a checkpoint. Ends badly where a process outlives the other by 30 s, where a resume finds no whole checkpoint, or where the log has a
# step twice or not at all; prints how long the other process took each time.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,6p' "$0" >&2; exit 2; }
folder="$(mkdir -p "$1" && cd "$1" && pwd)"
graft="$2"
times="${3:-20}"
export GRAFT_THREADS=1

run() { # options...
    "$graft" launch --processes 2 -- adapt --source models/fashion-28 --target samples/targets/bag --method finetune --device cpu --out "$folder/run" --steps 100000 \
        --set training.accumulation=2 --set training.batch_size=2 --set training.checkpoint_every=1 --set training.meter_every=0 --set training.sample_every=0 "$@"
}

steps() { [ ! -s "$folder/run/log.jsonl" ] || wc -l <"$folder/run/log.jsonl"; }

for ((i = 0; i < times; i++)); do
    before="$(steps)"
    resume=()
    [ "$i" = 0 ] || resume=(--resume)
    run "${resume[@]}" >"$folder/launch-$i.log" 2>&1 &
    launcher=$!
    until [ "$(steps)" != "$before" ] || ! kill -0 "$launcher" 2>/dev/null; do sleep 0.1; done
    sleep "0.$((RANDOM % 10))"
    victim=""
    for process in /proc/[0-9]*; do # the run's folder tells our processes from others', the rank which of them
        if grep -qzxF "$folder/run" "$process/cmdline" 2>/dev/null && grep -qzx "RANK=$((i % 2))" "$process/environ" 2>/dev/null; then
            victim="${process#/proc/}"
        fi
    done
    [ -n "$victim" ] || { echo "time $i: no process to kill; see $folder/launch-$i.log" >&2; exit 1; }
    kill -9 "$victim"
    began=$(date +%s%N)
    code=0
    wait "$launcher" || code=$?
    took=$((($(date +%s%N) - began) / 1000000))
    [ "$code" = 1 ] && [ "$took" -lt 30000 ] || { echo "time $i: code $code after $took ms; see $folder/launch-$i.log" >&2; exit 1; }
    printf 'time %d: process %d killed, all ended after %d ms, %d steps in the log\n' "$i" "$((i % 2))" "$took" "$(steps)"
done
grep -oE '"step":[0-9]+' "$folder/run/log.jsonl" | cut -d: -f2 | awk '{ if ($1 != NR) { print "step " NR " is " $1; exit 1 } } END { print NR " steps, each once" }'
