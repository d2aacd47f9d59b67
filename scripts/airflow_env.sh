#!/usr/bin/env bash
# Makes .venv-airflow: Airflow with its Spark provider, apart from .venv, because the provider brings
# pyspark-client, which writes over files of pyspark. Versions: scripts/airflow-constraints.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
wanted="$(cksum <scripts/airflow-constraints.txt)"
stamp=.venv-airflow/installed
[[ "$(cat "$stamp" 2>/dev/null)" == "$wanted" ]] && exit
python=$(find_python)
echo "Installing Airflow into .venv-airflow with $python (once; about two minutes) …" >&2
"$python" -m venv .venv-airflow
.venv-airflow/bin/python -m pip install --quiet --disable-pip-version-check \
    --constraint scripts/airflow-constraints.txt \
    apache-airflow apache-airflow-providers-apache-spark
.venv-airflow/bin/python -m pip check
echo "$wanted" >"$stamp"
