#!/usr/bin/env bash
# A sweep as a job array on a Slurm cluster of one node, which this script starts and stops:
#   tests/sweep/slurm.sh PROGRAM FOLDER
# A run that gets SIGUSR1, as Slurm sends it ahead of the time limit, must write a checkpoint, be put
# into the queue again and go on. Exit code 77, with the reason, where no such cluster can be started.
set -uo pipefail
program=$1 folder=$2
export SLURM_CONF=$folder/slurm.conf
host=$(hostname -s)
pids=()

skip() {
  echo "skipped: $*"
  exit 77
}
fail() {
  echo "failed: $*"
  for file in "$folder"/*.log "$folder"/sweep/logs/*; do echo "== $file" && tail -n 15 "$file"; done
  exit 1
}
stop() {
  # Jobs that a failure has left, before the daemons that could end them.
  [ -z "${is_up:-}" ] || timeout 10 scancel --user="$(id -un)" 2>/dev/null
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
  wait
}
trap stop EXIT

# until_true SECONDS COMMAND...: repeats it until it succeeds.
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.2
  done
}

for name in munged slurmctld slurmd sbatch scontrol squeue; do
  PATH=$PATH:/usr/sbin command -v "$name" >/dev/null ||
    skip "there is no $name; install munge, slurmctld, slurmd and slurm-client"
done
PATH=$PATH:/usr/sbin
mkdir -p "$folder"/{state,spool,munge} && chmod 700 "$folder/munge"
head -c 1024 /dev/urandom >"$folder/munge/key" && chmod 400 "$folder/munge/key"
munged --foreground --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
  --log-file="$folder/munge.log" --seed-file="$folder/munge/seed" >"$folder/munged.log" 2>&1 &
pids+=($!)
until_true 10 munge -n -S "$folder/munge/socket" || skip "munged does not start: $(tail -n 1 "$folder/munged.log")"

port=$((20000 + RANDOM % 20000))
cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=2
SelectType=select/cons_res
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
slurmctld -D >"$folder/slurmctld.log" 2>&1 &
pids+=($!)
is_node_up() { [ "$(sinfo -h -o %t)" = idle ]; }
# Debian 12's slurmd needs one of these; which one depends on how the machine mounts cgroups.
is_up=
for plugin in cgroup/v1 cgroup/v2; do
  printf 'CgroupPlugin=%s\nIgnoreSystemd=yes\n' "$plugin" >"$folder/cgroup.conf"
  [ "$plugin" = cgroup/v2 ] || sed -i '/IgnoreSystemd/d' "$folder/cgroup.conf"
  slurmd -D >"$folder/slurmd.log" 2>&1 &
  slurmd=$!
  if until_true 15 is_node_up; then
    pids+=("$slurmd")
    is_up=1
    break
  fi
  kill "$slurmd" 2>/dev/null
done
[ -n "$is_up" ] || skip "slurmd does not start: $(tail -n 1 "$folder/slurmd.log"); $(tail -n 1 "$folder/slurmctld.log")"

sweep=$folder/sweep
call=("$program" sweep train --data cifar10-sample --model mlp --hidden-width 8 --precision fp32 --train-size 32 --batch 16
  --test-size 16 --epochs 4000 --measure-every 2000ep --checkpoint-every 2000ep --threads 1 --out "$sweep" --slurm
  --slurm-options=--cpus-per-task=1 -- --seed 0..2)
submitted=$("${call[@]}") || fail "the sweep was not submitted: $submitted"
echo "$submitted"
job=${submitted##* }

has_begun() { [ -e "$sweep/seed=0/metrics.csv" ]; }
until_true 60 has_begun || fail "the first point did not start: $(squeue)"
is_requeued() { scontrol show job "${job}_0" | grep -q "Restarts=[1-9]"; }
# What scancel returns says nothing: a job that is put into the queue again at once makes it try again and fail in the end.
for _ in 1 2 3; do
  timeout 5 scancel --batch --signal=USR1 "${job}_0"
  until_true 15 is_requeued && break
done
is_requeued || fail "the first point was not put into the queue again: $(scontrol show job "${job}_0")"

is_done() { [ -e "$sweep/seed=0/DONE" ] && [ -e "$sweep/seed=1/DONE" ] && [ -e "$sweep/seed=2/DONE" ]; }
until_true 300 is_done || fail "not all points are done: $("$program" sweep status "$sweep"; squeue)"
grep -q "continuing from step" "$sweep/logs/seed=0.log" || fail "the first point did not go on from its checkpoint"
"$program" sweep status "$sweep" | grep -qx "3 done" || fail "$("$program" sweep status "$sweep")"
# Nothing is left to submit.
"${call[@]}" | grep -q "no point is left" || fail "a finished sweep was submitted again"
echo "3 points done, one of them after a requeue"
