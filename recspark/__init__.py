"""recspark: from raw ratings to scored test sets, with Spark, Petastorm and PyTorch.

`run` runs the pipeline, `Run` opens its output, `load_model` opens one of its models. Importing
recspark loads only this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from recspark.notebook.model import Model
    from recspark.notebook.run import Run

__version__ = "0.1.0"
__all__ = ["Run", "__version__", "load_model", "run"]


def run(config: str | PathLike[str] | Mapping[str, Any], **overrides: Any) -> Run:
    """Run the pipeline in this process and return its run, opened.

    Parts whose output is up to date are not run again. A Spark session is started as in the jobs,
    and stopped afterwards; a session that already exists is used and left running.

    Args:
        config: A YAML file, or the same settings as a dict. A dict needs `name` or `run_dir`.
        overrides: Settings that win over `config`: nested, as `train={"epochs": 3}`, or dotted, as
            `**{"train.epochs": 3}`.

    Raises:
        EnvironmentProblem: Packages, Python, Spark and Java are incompatible.
        ConfigError: A setting is unknown, has the wrong type or contradicts another one.
        RecsparkError: The pipeline failed; the class tells the kind of problem.

    Examples:
        >>> import recspark
        >>> run = recspark.run("conf/movielens-100k.yaml", train={"epochs": 2})
        model ...
        >>> run.models
        ['als', 'bias', 'biased_mf', 'blend', 'cosine_user']
    """
    from recspark.notebook.pipeline import run_pipeline
    from recspark.notebook.run import Run

    return Run(run_pipeline(config, overrides))


def load_model(path: str | PathLike[str]) -> Model:
    """Return the model of a folder `<run>/models/<name>`: short for `Run(run).model(name)`.

    Args:
        path: The folder, local or remote.

    Raises:
        DataError: The path is no such folder; otherwise as for `Run.model`.

    Examples:
        >>> import recspark
        >>> model = recspark.load_model("runs/movielens-100k/models/biased_mf")
        >>> model.predict([1, 2], [10, 20]).shape
        (2,)
    """
    from recspark.notebook.model_folder import open_model

    return open_model(path)


def __getattr__(name: str) -> Any:
    if name == "Run":
        from recspark.notebook.run import Run

        return Run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
