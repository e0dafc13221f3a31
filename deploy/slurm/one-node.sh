#!/usr/bin/env bash
# A Slurm of one node on this machine, from Debian's packages (apt-get install slurm-wlm munge), to try adapt.sbatch. As root; for trying only:
#   deploy/slurm/one-node.sh start FOLDER    the daemons' state and logs go there; prints how to use it
#   deploy/slurm/one-node.sh stop FOLDER
set -euo pipefail
[ $# = 2 ] || { sed -n '2,5p' "$0" >&2; exit 2; }
action="$1"
folder="$(mkdir -p "$2" && cd "$2" && pwd)"

stop() {
    local name pid
    for name in slurmd slurmctld munged; do
        [ ! -s "$folder/$name.pid" ] || { pid="$(cat "$folder/$name.pid")"; kill "$pid" 2>/dev/null || true; rm -f "$folder/$name.pid"; }
    done
}

start() {
    local name needed
    for needed in munged slurmctld slurmd srun; do
        command -v "$needed" >/dev/null || PATH="$PATH:/usr/sbin" command -v "$needed" >/dev/null || { echo "error: $needed is missing: apt-get install slurm-wlm munge" >&2; exit 2; }
    done
    name="$(hostname -s)"
    mkdir -p "$folder/state" "$folder/spool"
    chmod 755 "$folder"
    [ -s "$folder/munge.key" ] || dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
    chmod 600 "$folder/munge.key"
    # --force: the folder is root's, and this is for trying only.
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
    cat >"$folder/slurm.conf" <<CONF
ClusterName=graft
SlurmctldHost=$name(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=30
NodeName=$name NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$name Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$folder/slurm.conf"
    PATH="$PATH:/usr/sbin" slurmctld
    PATH="$PATH:/usr/sbin" slurmd
    echo "export SLURM_CONF=$folder/slurm.conf"
}

case "$action" in
    start) start ;;
    stop) stop ;;
    *) sed -n '2,5p' "$0" >&2; exit 2 ;;
esac
