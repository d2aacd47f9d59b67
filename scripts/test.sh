#!/usr/bin/env bash
# Lint, types and tests, in .venv with the development tools. Arguments go to pytest.
# CONSTRAINTS=spark-3.5 scripts/test.sh tests on the older set of versions (scripts/environment.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
install_recspark "[dev]"

"$venv"/bin/ruff check .
"$venv"/bin/ruff format --check .
"$venv"/bin/mypy
"$venv"/bin/python -m pytest "$@"
