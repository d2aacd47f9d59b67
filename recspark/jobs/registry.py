"""The jobs by name, in the order of the pipeline."""

from __future__ import annotations

from recspark.jobs import bodies, checks
from recspark.jobs.job import Job

_PIPELINE_SECTIONS = (
    *("until", "spark", "ingest", "prepare", "signal", "baseline", "train", "blend"),
    *("list_blend", "recommend", "similar", "evaluate", "report"),
)

JOBS = {
    job.name: job
    for job in (
        Job(
            "pipeline",
            "Run every stage in one session, from raw text to leaderboard and report.",
            _PIPELINE_SECTIONS,
            bodies.run_pipeline,
            checks.check_pipeline,
        ),
        Job(
            "ingest",
            "Read raw text into ratings, movies and rejects.",
            ("spark", "ingest"),
            bodies.run_ingest,
            checks.check_ingest,
        ),
        Job(
            "explore",
            "Show ratings and movies in statistics and a page of plots.",
            ("spark",),
            bodies.run_explore,
            checks.check_ratings,
        ),
        Job(
            "prepare",
            "Index users and movies, and split the ratings into train, valid and test.",
            ("spark", "prepare"),
            bodies.run_prepare,
            checks.check_prepare,
        ),
        Job(
            "baseline",
            "Fit the models that Spark fits: bias, cosine_user, als, popularity, …",
            ("spark", "signal", "baseline"),
            bodies.run_baseline,
            checks.check_baseline,
        ),
        Job(
            "train",
            "Train the models that PyTorch trains, on one or more ranks.",
            ("spark", "signal", "train"),
            bodies.run_train,
            checks.check_train,
        ),
        Job(
            "tune",
            "Search better settings of each model, judged by valid alone.",
            ("spark", "tune", "signal", "baseline", "train"),
            bodies.run_tune,
            checks.check_tune,
        ),
        Job(
            "score",
            "Predict the ratings of test with saved models.",
            ("spark",),
            bodies.run_score,
            checks.check_score,
        ),
        Job(
            "blend",
            "Combine the ratings or the lists of several models.",
            ("spark", "blend", "list_blend"),
            bodies.run_blend,
            checks.check_blend,
        ),
        Job(
            "evaluate",
            "Compute the metrics of each model and the leaderboard.",
            ("spark", "evaluate", "blend", "list_blend"),
            bodies.run_evaluate,
        ),
        Job(
            "recommend",
            "List for each user the movies that a model rates highest.",
            ("spark", "recommend"),
            bodies.run_recommend,
            checks.check_recommend,
            takes_blend=True,
        ),
        Job(
            "similar",
            "List for each movie the most similar movies.",
            ("spark", "similar"),
            bodies.run_similar,
            checks.check_similar,
        ),
        Job(
            "score_pairs",
            "Predict the ratings of pairs of raw ids, in their order.",
            ("spark", "score_pairs"),
            bodies.run_score_pairs,
            checks.check_score_pairs,
            takes_blend=True,
        ),
        Job(
            "report",
            "Make one page about a run.",
            ("spark", "report"),
            bodies.run_report,
            checks.check_ratings,
        ),
        Job(
            "gate",
            "Compare a run with the accepted one: pass, or exit code 7.",
            ("gate",),
            bodies.run_gate,
            uses_spark=False,
        ),
    )
}
