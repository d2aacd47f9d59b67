"""Pairs of raw ids and saved models → predictions in their order. See --help, and README.md."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.stages import score_pairs

    for name, settings in models.items():
        score_pairs.run(settings, name, spark)


if __name__ == "__main__":
    sys.exit(run_job("score_pairs", body))
