"""movies and saved models → for each movie the movies most like it. See --help, and README.md."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.recommend.choose import choose_models
    from recspark.stages import similar

    chosen = choose_models(config.similar.models, models, "similar.models")
    for model, settings in chosen.items():
        similar.run(settings, model, spark)


if __name__ == "__main__":
    sys.exit(run_job("similar", body))
