"""test and saved models → predictions, one data set a model. See --help, and README.md."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.stages import score

    for name, settings in models.items():
        score.run(settings, name, spark)


if __name__ == "__main__":
    sys.exit(run_job("score", body))
