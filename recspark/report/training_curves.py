"""The chapter of training: one plot per model."""

from __future__ import annotations

from recspark.page.panel import Panel
from recspark.page.tables import Column, make_table, number, rmse, whole
from recspark.report.chapter import Chapter
from recspark.report.histories import Training
from recspark.report.inventory import Inventory
from recspark.report.plots import draw_curves, draw_ranking, hides_others, valid_half_width


def make_training_curves(inventory: Inventory, trainings: list[Training]) -> Chapter:
    """Return the chapter with the curves of the models that PyTorch trained."""
    title = "How training went"
    if not trainings:
        found = ", ".join(inventory.models())
        have = f"Its models: {found}." if found else "It has no models."
        missing = (
            f"No model of this run was trained in epochs. {have} Train one with the same --config: "
            "jobs/train.py --models biased_mf"
        )
        return Chapter("training", title, missing=missing)
    text = (
        "RMSE by epoch. The RMSE on train is measured during the epoch, while weights still change "
        "and with dropout. The RMSE on valid, which headings give, is measured after the epoch. "
        "The weights of the epoch at the dotted line were kept. Its bar is a 95% interval that "
        "depends only on the number of ratings in valid; users are not resampled. All epochs are "
        "measured on the same ratings, so differences between them are more "
        "certain than this interval suggests. Models that only rank have the NDCG of the first ten "
        "movies instead, on valid."
    )
    valid = inventory.get("valid")
    num_valid = valid.num_rows if valid else 0
    panels = [_ranker_panel(one) if one.ranks_only else _panel(one, num_valid) for one in trainings]
    return Chapter("training", title, text, panels=panels, are_paired=True)


def _ranker_panel(training: Training) -> Panel:
    kept = training.epochs[training.kept_epoch]
    rows = [{**record, "number": record["epoch"] + 1} for record in training.epochs]
    return Panel(
        f"training-{training.model}",
        f"{training.model}: NDCG {rmse(kept['valid_ndcg'])} at epoch "
        f"{training.kept_epoch + 1} of {len(rows)}",
        _describe(training),
        [
            make_table(
                "Epochs",
                rows,
                Column("number", "Epoch", whole),
                Column("train_loss", "Loss train", lambda value: number(value, ".4g")),
                Column("valid_ndcg", "NDCG valid", rmse),
                Column("ratings_per_second", "Ratings/s", whole),
                Column("seconds", "Seconds", lambda value: f"{value:,.1f}"),
            )
        ],
        draw_ranking(training),
    )


def _describe(training: Training) -> str:
    speed = max(record["ratings_per_second"] for record in training.epochs)
    return (
        f"Architecture {training.architecture}. {training.seconds:,.1f} s in total, up to "
        f"{whole(speed)} ratings per second."
    )


def _panel(training: Training, num_valid: int) -> Panel:
    kept = training.epochs[training.kept_epoch]
    rows = [{**record, "number": record["epoch"] + 1} for record in training.epochs]
    valid_rmse = [record["valid_rmse"] for record in training.epochs]
    train_rmse = [record["train_rmse"] for record in training.epochs]
    note = (
        f" The first epoch lies above the plot (RMSE on train {rmse(train_rmse[0])}, on valid "
        f"{rmse(valid_rmse[0])})."
        if hides_others(training)
        else ""
    )
    if training.num_cold:
        note += (
            f" The RMSE on valid leaves out {whole(training.num_cold)} ratings whose user or movie "
            "has no rating in train."
        )
    num_measured = max(num_valid - training.num_cold, 0)
    half = valid_half_width(training, num_measured)
    interval = f" ± {rmse(half)}" if half else ""
    return Panel(
        f"training-{training.model}",
        f"{training.model}: RMSE {rmse(kept['valid_rmse'])}{interval} at epoch "
        f"{training.kept_epoch + 1} of {len(rows)}",
        _describe(training) + note,
        [
            make_table(
                "Epochs",
                rows,
                Column("number", "Epoch", whole),
                Column("train_rmse", "RMSE train", rmse),
                Column("valid_rmse", "RMSE valid", rmse),
                Column("learning_rate", "Learning rate", lambda value: number(value, ".2g")),
                Column("ratings_per_second", "Ratings/s", whole),
                Column("seconds", "Seconds", lambda value: f"{value:,.1f}"),
            )
        ],
        draw_curves(training, num_measured),
    )
