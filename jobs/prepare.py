"""ratings → user and movie index, train, valid, test. See --help, and README.md, "The jobs"."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.stages import prepare

    prepare.run(config, spark)


if __name__ == "__main__":
    sys.exit(run_job("prepare", body))
