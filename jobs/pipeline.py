"""Every stage in one session: raw text → leaderboard. See --help, and README.md."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.stages import pipeline

    pipeline.run(config, models, spark)


if __name__ == "__main__":
    sys.exit(run_job("pipeline", body))
