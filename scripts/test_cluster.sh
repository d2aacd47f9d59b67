#!/usr/bin/env bash
# Runs the tests that scripts/test.sh leaves out: a standalone cluster, faults, Airflow and S3. They take
# most of an hour on two cores. Passes its arguments to pytest, e.g. -m s3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
install_recspark "[dev,dev-cluster]"
scripts/airflow_env.sh

"$venv"/bin/python -m pytest -m "cluster or airflow or s3" "$@"
