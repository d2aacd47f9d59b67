#!/usr/bin/env bash
# Creates .venv-airflow with Airflow and its Spark provider. It is separate from .venv because the
# provider installs pyspark-client, which overwrites files of pyspark. The versions are in
# scripts/airflow-constraints.txt.
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
