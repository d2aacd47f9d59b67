"""The chapter of training: one curve a model."""

from __future__ import annotations

from recspark.page.panel import Panel
from recspark.page.tables import Column, make_table, number, rmse, whole
from recspark.report.chapter import Chapter
from recspark.report.histories import Training
from recspark.report.inventory import Inventory
from recspark.report.plots import draw_curves, hides_others, valid_half_width


def make_learning(inventory: Inventory, trainings: list[Training]) -> Chapter:
    """Return the chapter with the curves of the models that PyTorch trained."""
    title = "How training went"
    if not trainings:
        found = ", ".join(inventory.models())
        have = f"This run has {found}" if found else "This run has no models"
        missing = (
            f"{have}: none that was trained epoch by epoch. Train one with the same --config: "
            "jobs/train.py --models biased_mf"
        )
        return Chapter("training", title, missing=missing)
    text = (
        "RMSE by epoch. On train it is measured while weights still change, dropout included; on "
        "valid after the epoch: that is the RMSE told. The weights of the dotted epoch were kept; "
        "its bar is a 95% interval by the number of ratings in valid alone, users not resampled. "
        "Epochs are measured on the same ratings, so they differ by less than it."
    )
    valid = inventory.get("valid")
    num_valid = valid.num_rows if valid else 0
    panels = [_panel(one, num_valid) for one in trainings]
    return Chapter("training", title, text, panels=panels, are_paired=True)


def _panel(training: Training, num_valid: int) -> Panel:
    kept = training.epochs[training.kept_epoch]
    rows = [{**record, "number": record["epoch"] + 1} for record in training.epochs]
    valid_rmse = [record["valid_rmse"] for record in training.epochs]
    train_rmse = [record["train_rmse"] for record in training.epochs]
    cut = (
        f" The first epoch lies above the plot (RMSE on train {rmse(train_rmse[0])}, on valid "
        f"{rmse(valid_rmse[0])})."
        if hides_others(training)
        else ""
    )
    speed = max(record["rows_per_second"] for record in training.epochs)
    half = valid_half_width(training, num_valid)
    sure = f" ± {rmse(half)}" if half else ""
    return Panel(
        f"training-{training.model}",
        f"{training.model}: RMSE {rmse(kept['valid_rmse'])}{sure} at epoch "
        f"{training.kept_epoch + 1} of {len(rows)}",
        f"Architecture {training.architecture}; {training.seconds:,.1f} s in all, up to "
        f"{whole(speed)} ratings a second.{cut}",
        [
            make_table(
                "Epochs",
                rows,
                Column("number", "Epoch", whole),
                Column("train_rmse", "RMSE train", rmse),
                Column("valid_rmse", "RMSE valid", rmse),
                Column("learning_rate", "Step size", lambda value: number(value, ".2g")),
                Column("rows_per_second", "Ratings/s", whole),
                Column("seconds", "Seconds", lambda value: f"{value:,.1f}"),
            )
        ],
        draw_curves(training, num_valid),
    )
