"""A run directory → one page about it. See --help, and README.md, "The report"."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.stages import report

    report.run(config, spark)


if __name__ == "__main__":
    sys.exit(run_job("report", body))
