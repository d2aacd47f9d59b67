"""recspark every night, one `spark-submit` per stage:

    plan → ingest → prepare → data_gate → (baseline ∥ train, a task per model)
         → score → blend → (recommend ∥ similar, a task per model that lists)
         → evaluate → (lists_gate → model_gate ∥ report)

The default parameters fit the models of conf/movielens-100k.yaml, and make users' lists from a
blend of two of them, and lists of similar movies.
A run's outputs lie in `<root>/<logical date>/`, and a stage whose output is up to date is skipped,
so retries, re-runs and backfills do no work twice. `<root>/accepted-<name>.json` points to the run
whose model passed last. A task succeeds only if the manifests of its data sets name the current
inputs; exit code 0 of spark-submit is not enough.

Workers need `spark-submit` and the project's Python on the PATH (docs/airflow.md).
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Param, task

PROJECT = Path(__file__).resolve().parents[2]

# Job → its outputs in the run directory; {model} stands for each of its models.
OUTPUTS = {
    "ingest": ["ratings", "movies", "rejects"],
    "prepare": ["user_index", "movie_index", "train", "valid", "test"],
    "baseline": ["models/{model}"],
    "train": ["models/{model}"],
    "score": ["predictions/{model}"],
    "blend": ["models/blend", "predictions/blend", "models/list_blend"],
    "recommend": ["recommendations/{model}"],
    "similar": ["similar_movies/{model}"],
    "evaluate": ["metrics/{model}.json", "leaderboard.json", "lists.json"],
    "gate": [],
    "report": ["report"],
}
# The option that names a job's models, where it is not --models.
MODELS_OPTION = {"recommend": "--recommend.models", "similar": "--similar.models"}
# Outputs of `blend` to the option without which they are not made.
ONLY_WITH = {
    "models/blend": "--blend.members",
    "predictions/blend": "--blend.members",
    "models/list_blend": "--list_blend.members",
}
NONE = "[]"  # an empty list on the command line, so that the members of the config do not count
# These are left out where prepare held out no test ratings.
MEASURED_ON_TEST = ("predictions/", "metrics/", "leaderboard.json", "lists.json")
# Data sets whose ids a manifest names among its inputs.
CHECKED_INPUTS = ("ratings", "train", "valid", "test")
# Added when `train` is retried, to continue from the last checkpoint.
RESUME = ["--train.resume", "true"]


def names(default: list[str], description: str, **more: Any) -> Param:
    """Return a parameter that is a list of words."""
    return Param(default, type="array", items={"type": "string"}, description=description, **more)


PARAMS = {
    "config": Param(
        str(PROJECT / "conf" / "movielens-100k.yaml"),
        type="string",
        minLength=1,
        description="The run's YAML file. Relative paths in it start where the worker runs.",
    ),
    "root": Param(
        str(PROJECT / "runs" / "nightly"),
        type="string",
        minLength=1,
        description="Where runs go, one folder per logical date (local path, hdfs:// or s3a://).",
    ),
    "baselines": names(
        ["bias", "cosine_user", "als", "popularity", "ease"],
        "Presets that Spark fits, with bias among them, which answers for unseen ids.",
        contains={"const": "bias"},
    ),
    "trained": names(
        ["biased_mf", "bayesian_mf_interactions", "ials"],
        "Presets that PyTorch trains, each in a task of its own.",
    ),
    "blend": names([], "Models whose predictions are blended; empty means no blend."),
    "list_blend": names(
        ["ease", "ials"],
        "Models whose lists are blended into list_blend; empty means no such blend.",
    ),
    "recommend": names(
        ["list_blend"],
        "Models that make users' lists, each in a task of its own, with blend and list_blend among "
        "them if there are; all of these must pass the gate. Empty means no lists.",
    ),
    "similar": names(
        ["ease"],
        "Models that make lists of similar movies, each in a task of its own; empty means none.",
    ),
    "num_ranks": Param(1, type="integer", minimum=1, description="Training processes per model."),
    "settings": names(
        [],
        "Further words for every job; {date} becomes the logical date, as in "
        '["--ingest.ratings", "/raw/{date}/u.data"].',
    ),
    "spark": Param(
        {},
        type="object",
        additionalProperties={"type": "string"},
        description="Spark properties of every job.",
    ),
}


class RecsparkJob(SparkSubmitOperator):
    """One job of recspark; it succeeds only if the manifests of its outputs are right."""

    def __init__(self, *, job: str, **kwargs: Any) -> None:
        super().__init__(application=str(PROJECT / "jobs" / f"{job}.py"), name=job, **kwargs)
        self.job = job

    def execute(self, context: Any) -> None:
        """Run spark-submit, and fail unless every output is present, complete and up to date."""
        if self.job == "train" and context["ti"].try_number > 1:
            self.application_args = [*self.application_args, *RESUME]
        super().execute(context)
        words = dict(zip(self.application_args, self.application_args[1:], strict=False))
        run_dir = words["--run_dir"]
        for model in words[MODELS_OPTION.get(self.job, "--models")].split(","):
            if self.job == "score" and ranks_only(run_dir, model):
                continue
            for output in OUTPUTS[self.job]:
                if output in ONLY_WITH and words[ONLY_WITH[output]] == NONE:
                    continue
                if output.startswith(MEASURED_ON_TEST) and not has_test(run_dir):
                    continue
                check_output(run_dir, output.format(model=model), self.job)


def ranks_only(run_dir: str, model: str) -> bool:
    """Return whether a model ranks movies and predicts no ratings."""
    return bool(read_json(f"{run_dir}/models/{model}/_MANIFEST.json")["counts"].get("ranks_only"))


def has_test(run_dir: str) -> bool:
    """Return whether the run has test ratings."""
    return bool(read_json(f"{run_dir}/test/_MANIFEST.json")["num_rows"])


def check_output(run_dir: str, output: str, job: str) -> None:
    """Raise unless an output of `job` is complete and was made from the current data sets."""
    if output.endswith(".json"):
        read_json(f"{run_dir}/{output}")
        return
    manifest = read_json(f"{run_dir}/{output}/_MANIFEST.json")
    if manifest["stage"] != job:
        raise RuntimeError(f"{run_dir}/{output}: found one of {manifest['stage']}, expected {job}.")
    for name in CHECKED_INPUTS:
        made_from = manifest["inputs"].get(name)
        if made_from and made_from != read_json(f"{run_dir}/{name}/_MANIFEST.json")["id"]:
            raise RuntimeError(f"{run_dir}/{output}: made from an earlier {name}.")


def read_json(path: str) -> dict[str, Any]:
    """Return a JSON file's content; a missing file raises FileNotFoundError."""
    with fsspec.open(path.replace("s3a://", "s3://", 1)) as file:
        return dict(enumerate(found)) if isinstance(found := json.load(file), list) else found


@task(multiple_outputs=True, retries=0)
def plan(params: dict[str, Any] | None = None, dag_run: Any = None) -> dict[str, Any]:
    """Return the command-line words of every task."""
    # A run that was not scheduled may have no logical date.
    day = (dag_run.logical_date or dag_run.run_after).strftime("%Y-%m-%d")
    more = [word.replace("{date}", day) for word in params["settings"]]
    require_made(params)
    chosen = {
        "--blend.members": params["blend"],
        "--list_blend.members": params["list_blend"],
        "--gate.lists": params["recommend"],
    }
    lists = [word for name, x in chosen.items() for word in (name, ",".join(x) or NONE)]
    # The settings come last, so that they win.
    common = ["--config", params["config"], "--run_dir", f"{params['root']}/{day}", *lists, *more]

    def words(models: list[str], *extra: str) -> list[str]:
        return [*common, "--models", ",".join(models), *extra]

    every = [*params["baselines"], *params["trained"]]
    ranks = ["--train.num_ranks", str(params["num_ranks"])]
    return {
        "every": words(every, *ranks),
        "baseline": words(params["baselines"]),
        "train": [words([model], *ranks) for model in params["trained"]],
        "blend": [words(every, *ranks)] if params["blend"] or params["list_blend"] else [],
        "recommend": [words(every, "--recommend.models", model) for model in params["recommend"]],
        "similar": [words(every, "--similar.models", model) for model in params["similar"]],
        "data_gate": words(every, "--gate.date", day, "--gate.check", "data"),
        "lists_gate": words(every, "--gate.date", day, "--gate.check", "lists"),
        "model_gate": words(every, "--gate.date", day, "--gate.check", "model"),
        "spark": params["spark"],
    }


def require_made(params: dict[str, Any]) -> None:
    """Raise unless this run makes the models that blends and lists are made of."""
    fitted = {*params["baselines"], *params["trained"]}
    blends = {name for name in ("blend", "list_blend") if params[name]}
    known = {
        "blend": fitted,
        "list_blend": fitted | blends - {"list_blend"},
        "recommend": fitted | blends,
        "similar": fitted,
    }
    for name, made in known.items():
        if missing := [model for model in params[name] if model not in made]:
            raise ValueError(
                f"parameter {name}: found {', '.join(missing)}, expected some of "
                f"{', '.join(sorted(made))}. Remedy: add them to baselines or trained, or take "
                f"them out of {name}."
            )


@task(retries=0)
def each(words: list[list[str]]) -> list[list[str]]:
    """Return the words of each mapped task: only a whole return value can be mapped over."""
    return words


with DAG(
    dag_id="recspark",
    doc_md=__doc__,
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Gates compare with the last accepted run, so runs follow one another.
    max_active_runs=1,
    params=PARAMS,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=15),
    },
) as dag:
    words = plan()
    common = {"conf": words["spark"]}

    ingest = RecsparkJob(task_id="ingest", job="ingest", application_args=words["every"], **common)
    prepare = RecsparkJob(
        task_id="prepare", job="prepare", application_args=words["every"], **common
    )
    data_gate = RecsparkJob(  # a retry would give the same verdict
        task_id="data_gate", job="gate", application_args=words["data_gate"], retries=0, **common
    )
    baseline = RecsparkJob(
        task_id="baseline", job="baseline", application_args=words["baseline"], **common
    )
    train = RecsparkJob.partial(task_id="train", job="train", **common).expand(
        application_args=each.override(task_id="each_trained")(words["train"])
    )
    score = RecsparkJob(
        task_id="score",
        job="score",
        application_args=words["every"],
        trigger_rule="none_failed",  # with no model to train, train is skipped
        **common,
    )
    blend = RecsparkJob.partial(task_id="blend", job="blend", **common).expand(
        application_args=each.override(task_id="each_blend")(words["blend"])
    )
    recommend = RecsparkJob.partial(
        task_id="recommend",
        job="recommend",
        trigger_rule="none_failed",  # without members, blend is skipped
        **common,
    ).expand(application_args=each.override(task_id="each_listed")(words["recommend"]))
    similar = RecsparkJob.partial(
        task_id="similar", job="similar", trigger_rule="none_failed", **common
    ).expand(application_args=each.override(task_id="each_similar")(words["similar"]))
    evaluate = RecsparkJob(
        task_id="evaluate",
        job="evaluate",
        application_args=words["every"],
        trigger_rule="none_failed",
        **common,
    )
    lists_gate = RecsparkJob(
        task_id="lists_gate", job="gate", application_args=words["lists_gate"], retries=0, **common
    )
    model_gate = RecsparkJob(
        task_id="model_gate", job="gate", application_args=words["model_gate"], retries=0, **common
    )
    # Also for a refused model, which is the one to inspect.
    report = RecsparkJob(task_id="report", job="report", application_args=words["every"], **common)
    ingest >> prepare >> data_gate >> [baseline, train] >> score >> blend >> [recommend, similar]
    [recommend, similar] >> evaluate >> [lists_gate, report]
    lists_gate >> model_gate
