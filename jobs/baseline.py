"""train → the models that Spark fits: bias, cosine_user, als. See --help and README.md."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.stages import baseline

    for name, settings in models.items():
        if settings.baseline.algorithm:
            baseline.run(settings, name, spark)


if __name__ == "__main__":
    sys.exit(run_job("baseline", body))
