"""The examples do what they say: the notebook runs from top to bottom, the model predicts."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from recspark.models.spec import ModelSpec
from recspark.models.target import Target

ROOT = Path(__file__).resolve().parents[1]


def read_code(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_notebook_runs_from_top_to_bottom_on_the_table_beside_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    cells = read_code(tmp_path / "examples" / "notebook.ipynb")
    assert len(cells) > 5
    shown = [
        "print(json.dumps([run.models, len(run.leaderboard()), run.report]))",
        "answer = run.model('biased_mf').predict([1, 2, 999], [30, 12, 12], with_fallback=True)",
        "print(json.dumps([int(answer['fallback'].isna().sum()), len(answer)]))",
        "print(json.dumps(len(run.similar('biased_mf', movie_id=12, n=5))))",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*cells, "import json", *shown])],
        cwd=tmp_path / "examples",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    models, answers, similar = map(json.loads, done.stdout.splitlines()[-3:])
    report = str(tmp_path / "runs" / "books" / "report" / "index.html")
    assert models == [["bias", "biased_mf"], 2, report]
    assert answers == [2, 3], "reader 999 is unknown, and gets the fallback"
    assert similar == 5
    assert Path(report).exists()


def test_own_model_predicts_by_its_formula() -> None:
    path = ROOT / "examples" / "own_model" / "euclidean_mf.py"
    spec = importlib.util.spec_from_file_location("euclidean_mf", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    target = Target(kind="centered", mean=3.5)
    model = module.EuclideanMF.build(
        ModelSpec(embedding_size=2, num_movies=3, target=target), torch.Generator()
    )
    users = torch.tensor([[1.0, 2.0, 0.5]])  # two factors and the bias
    with torch.no_grad():
        model.movies[1] = torch.tensor([3.0, 1.0, 0.25])
        found = model.eval()(users, torch.tensor([1])).numpy()
    np.testing.assert_allclose(found, [3.5 + 0.5 + 0.25 - ((1 - 3) ** 2 + (2 - 1) ** 2)])
