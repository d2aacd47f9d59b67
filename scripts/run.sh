#!/usr/bin/env bash
# Runs the whole pipeline on real ratings: installs recspark into .venv, fetches MovieLens-100K, runs every
# stage, prints the leaderboard and writes the report. Passes its arguments to jobs/pipeline.py, e.g.
# --train.epochs 3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh
install_recspark "[report]"

config=conf/movielens-100k.yaml
if ! "$venv"/bin/python scripts/fetch_movielens.py --output data/movielens-100k; then
    echo "MovieLens-100K could not be fetched (see above): running on a generated sample instead." >&2
    "$venv"/bin/python scripts/generate_ratings.py --config conf/generate-sample.yaml
    config=conf/sample.yaml
fi
exec "$venv"/bin/python jobs/pipeline.py --config "$config" "$@"
