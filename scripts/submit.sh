#!/usr/bin/env bash
# Submits one job to a cluster. The driver runs on this machine; on Kubernetes it runs in a pod.
#
#   scripts/submit.sh [options] spark://HOST:PORT|yarn|k8s://URL JOB [the job's settings]
#   scripts/submit.sh --executors 4 --cores 8 --memory 16g yarn pipeline --config conf/netflix.yaml
#
#   --executors N         executors (2)
#   --cores N             cores of each executor (2)
#   --memory SIZE         heap of each executor (4g); spark.executor.memoryOverheadFactor adds to it
#   --driver-memory SIZE  heap of the driver (4g)
#   --gpus N              GPUs of each executor (0); every task takes one, so only for `train`
#   --environment FILE    packed virtual environment for the executors; without it they use $PYTHON
#   --image NAME          Kubernetes: an image with this folder at /opt/recspark
#   --conf NAME=VALUE     any further Spark property
#   --dry-run             print the command instead of running it
#
# PYTHON (.venv/bin/python) runs the driver. SPARK_HOME (its pyspark) contains spark-submit.
# SPARK_CONF_DIR (conf/) contains spark-defaults.conf.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="${PYTHON:-$root/.venv/bin/python}"
executors=2 cores=2 memory=4g driver_memory=4g gpus=0 environment="" image="" dry_run="" more=()
while [[ "${1:-}" == --* ]]; do
    case "$1" in
        --executors | --cores | --memory | --driver-memory | --gpus | --environment | --image)
            name="${1#--}"
            printf -v "${name//-/_}" %s "$2"
            ;;
        --conf) more+=(--conf "$2") ;;
        --dry-run) dry_run=yes && set -- "" "$@" ;;
        *) echo "$1: unknown option; see the top of $0" >&2 && exit 2 ;;
    esac
    shift 2
done
[[ $# -ge 2 ]] || { sed -n '2,21s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
master="$1" job="$2"
shift 2
library="$root/build/recspark.zip"

set_conf() { options+=(--conf "$1"); }
options=(--master "$master" --executor-memory "$memory" --driver-memory "$driver_memory")
options+=(--executor-cores "$cores")
application="$root/jobs/$job.py"
# The driver's JVM starts before recspark can set this option (recspark/cluster/session.py says why).
case "$job $*" in
    "ingest "* | "prepare "* | "pipeline "*"--until ingest"* | "pipeline "*"--until prepare"*)
        options+=(--driver-java-options -XX:TieredStopAtLevel=1)
        ;;
esac
executor_python="$python"
if [[ "$master" != k8s://* ]]; then
    # Ship the library with the job. Spark would silently ignore a .whl here.
    options+=(--deploy-mode client --py-files "$library")
    set_conf "spark.pyspark.driver.python=$python"
    if [[ -n "$environment" ]]; then
        options+=(--archives "$environment#environment")
        executor_python=./environment/bin/python
    fi
    set_conf "spark.pyspark.python=$executor_python"
fi
case "$master" in
    spark://*) # The secret for authentication is in the cluster's own spark-defaults.conf.
        set_conf "spark.cores.max=$((executors * cores))"
        # Training processes are not Spark workers, so they do not see --py-files.
        set_conf spark.executorEnv.PYTHONPATH=recspark.zip
        discovery="" # The Workers have their own: spark.worker.resource.gpu.discoveryScript.
        ;;
    yarn)
        options+=(--num-executors "$executors" --files "$root/scripts/gpus.sh")
        discovery=./gpus.sh
        ;;
    k8s://*)
        options+=(--deploy-mode cluster)
        application="local:///opt/recspark/jobs/$job.py"
        set_conf "spark.executor.instances=$executors"
        set_conf "spark.kubernetes.container.image=${image:?Kubernetes needs --image}"
        set_conf spark.executor.resource.gpu.vendor=nvidia.com
        discovery=/opt/recspark/scripts/gpus.sh
        ;;
    *) echo "$master: expected spark://HOST:PORT, yarn or k8s://URL" >&2 && exit 2 ;;
esac
if [[ "$master" != spark://* ]]; then # YARN and Kubernetes make a secret for every application.
    for name in authenticate network.crypto.enabled io.encryption.enabled; do
        set_conf "spark.$name=true"
    done
fi
if [[ "$gpus" -gt 0 ]]; then
    set_conf "spark.executor.resource.gpu.amount=$gpus"
    set_conf spark.task.resource.gpu.amount=1
    set_conf "spark.task.cpus=$((cores / gpus))"
    [[ -z "$discovery" ]] || set_conf "spark.executor.resource.gpu.discoveryScript=$discovery"
fi
# Not .venv/bin/spark-submit, which looks for pyspark in whatever `python3` happens to be.
spark_home="${SPARK_HOME:-$("$python" -c 'from importlib.util import find_spec as f; print(*f("pyspark").submodule_search_locations)')}"
command=("$spark_home/bin/spark-submit" "${options[@]}" "${more[@]}" "$application" "$@")
if [[ -n "$dry_run" ]]; then
    printf '%q ' "${command[@]}" && echo && exit
fi
export SPARK_CONF_DIR="${SPARK_CONF_DIR:-$root/conf}"
java_home="$("$python" -m recspark.cluster.environment)" # Reports an unsuitable environment and exits.
export JAVA_HOME="$java_home"
"$python" "$root/scripts/zip_library.py" "$library"
exec "${command[@]}"
