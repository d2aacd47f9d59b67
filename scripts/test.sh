#!/usr/bin/env bash
# Runs the linter, the type checker and the tests in .venv. Passes its arguments to pytest. Tests run in a
# process for each core, at most four; -n 0 runs them in one, which one file of tests wants.
# CONSTRAINTS=spark-3.5 scripts/test.sh tests with the older set of versions (scripts/environment.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
install_recspark "[dev]"

"$venv"/bin/ruff check .
"$venv"/bin/ruff format --check .
"$venv"/bin/mypy
"$venv"/bin/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile "$@"
