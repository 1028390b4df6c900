#!/bin/bash
# Four machines, one task and all GPUs of each:  sbatch examples/cluster/slurm.sh
# A job that is preempted or loses a machine is queued again, and goes on after its last checkpoint.
#SBATCH --job-name=rbm
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append

srun --kill-on-bad-exit=1 python examples/workers_mnist.py --output "$SLURM_SUBMIT_DIR/run"
status=$?
if [ "$status" -ne 0 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 10 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
