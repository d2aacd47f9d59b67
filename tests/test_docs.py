"""The README, the docs and the examples agree with the code."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml

from recspark.cluster.requirements import REQUIREMENTS
from recspark.config.load import load_config
from recspark.config.presets import list_presets
from recspark.models.registry import ARCHITECTURES
from recspark.models.spec import ModelSpec
from recspark.models.target import Target

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = sorted(
    [
        README,
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / ".github").glob("*.md"),
    ]
)
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())
JOBS = {path.stem for path in (ROOT / "jobs").glob("*.py")}

# A fenced block: language and content.
_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FILE = re.compile(r"\b(?:jobs|scripts|conf|recspark|tests|docs|examples)/[\w./-]*\w")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


SETTINGS = load_script("document_settings")


def blocks(language: str) -> list[tuple[str, str]]:
    """Return (page, block) of every fenced block of a language."""
    return [
        (page, body)
        for page, text in TEXTS.items()
        for found, body in _FENCED.findall(text)
        if found == language
    ]


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    kept = [re.sub(r"[^\w\- ]", "", title.lower()) for title in _HEADING.findall(text)]
    return {title.replace(" ", "-") for title in kept}


def test_readme_is_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 150


def test_readme_names_the_two_commands_and_every_page() -> None:
    for command in ("scripts/run.sh", "scripts/test.sh"):
        assert f"\n    {command} " in TEXTS["README.md"]
    for page in TEXTS:
        if page.startswith("docs/"):
            assert f"]({page})" in TEXTS["README.md"], page


@pytest.mark.parametrize("page", TEXTS)
def test_every_page_begins_with_a_title_and_a_sentence(page: str) -> None:
    first, blank, second, *_ = TEXTS[page].split("\n")
    assert first.startswith("# ")
    assert not blank
    assert re.match(r"[A-Z]", second) or second.startswith(("recspark is", "`ratings.csv` holds"))


@pytest.mark.parametrize("page", TEXTS)
def test_every_file_that_is_named_exists(page: str) -> None:
    for name in sorted(set(_FILE.findall(TEXTS[page]))):
        assert (ROOT / name).exists(), name


def test_many_files_are_named() -> None:
    assert len(set(_FILE.findall(ALL))) > 60


@pytest.mark.parametrize("page", TEXTS)
def test_every_relative_link_resolves(page: str) -> None:
    for target in _LINK.findall(TEXTS[page]):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / page).parent / path if path else ROOT / page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), target


def test_package_table_equals_the_requirements() -> None:
    for name, (versions, reason) in REQUIREMENTS.items():
        assert f"| {name} | `{versions}` | {reason} |" in TEXTS["docs/packages.md"]


def test_tested_versions_equal_the_constraints() -> None:
    for name in ("constraints", "constraints-spark-3.5"):
        pins = dict(
            re.findall(r"^(\w+)==(\S+)$", (ROOT / f"scripts/{name}.txt").read_text(), re.MULTILINE)
        )
        packages = ("pyspark", "pyarrow", "numpy", "pandas")
        row = " | ".join([f"| `scripts/{name}.txt`", *(pins[one] for one in packages)])
        assert row in TEXTS["docs/packages.md"]


def test_every_job_and_package_is_named() -> None:
    for job in JOBS:
        assert f"`recspark {job}`" in TEXTS["docs/jobs.md"], job
        assert f"jobs/{job}.py" in TEXTS["docs/jobs.md"], job
    for folder in (ROOT / "recspark").iterdir():
        if (folder / "__init__.py").exists():
            assert f"`{folder.name}/`" in TEXTS["docs/design.md"], folder.name


def test_every_preset_is_named() -> None:
    for preset in list_presets():
        assert f"`{preset}`" in TEXTS["docs/models.md"], preset


def test_every_job_in_a_command_exists() -> None:
    named = set(re.findall(r"(?:^ {4}|`|/bin/)recspark ([a-z]\w*)", ALL, re.MULTILINE))
    assert len(named) > 8
    assert named <= {*JOBS, "inspect"}


def test_settings_page_is_current() -> None:
    assert SETTINGS.PAGE.read_text(encoding="utf-8") == SETTINGS.make_page(), (
        "run scripts/document_settings.py"
    )


def test_settings_page_has_every_setting_with_its_meaning() -> None:
    page = TEXTS["docs/settings.md"]
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \| `(.+)` \| (.+) \|$", page, re.MULTILINE)
    inner = {name for name, _ in SETTINGS.list_sections(SETTINGS.Config)}
    assert [row[0] for row in rows] == [name for name in _in_page_order() if name not in inner]
    assert ("prepare.filter", "`once` or `k_core`", '"once"') in [row[:3] for row in rows]
    assert ("train.bias_reg", "number or null", "null") in [row[:3] for row in rows]


def _in_page_order() -> list[str]:
    names: list[str] = SETTINGS.list_settings()
    return names


def test_every_setting_that_is_named_exists() -> None:
    known = set(SETTINGS.list_settings())
    sections = "|".join(
        name
        for name in known
        if "." not in name and any(other.startswith(f"{name}.") for other in known)
    )
    # As an option anywhere; in backticks except for `spark.`, a prefix of Spark's own properties.
    options = set(re.findall(r"--([a-z_]+(?:\.[a-z_]+)+)\b", ALL))
    quoted = set(re.findall(rf"`(?!spark\.)((?:{sections})(?:\.[a-z_]+)+)[`: ]", ALL))
    assert len(options | quoted) > 40
    assert options | quoted <= known


@pytest.mark.parametrize(
    ("page", "block"), blocks("yaml"), ids=[page for page, _ in blocks("yaml")]
)
def test_yaml_in_the_docs_is_a_config(page: str, block: str, tmp_path: Path) -> None:
    file = tmp_path / "docs.yaml"
    file.write_text(block)
    config = load_config(["--config", str(file)], prog="test")
    for section, values in yaml.safe_load(block).items():
        assert getattr(config, section) is not None, page
        if isinstance(values, dict) and "architecture" in values:
            assert values["architecture"] in ARCHITECTURES


@pytest.mark.parametrize("page", [page for page in TEXTS if blocks("python")])
def test_python_in_the_docs_parses(page: str) -> None:
    for found, block in blocks("python"):
        if found == page and not block.startswith('"'):
            compile(block, page, "exec")


def test_own_table_is_a_config_whose_columns_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = load_config(["--config", "examples/own_table/books.yaml"], prog="test")
    lines = Path(config.ingest.ratings).read_text().splitlines()
    table = config.ingest.table
    assert lines[0].split(",") == [table.user, table.movie, table.rating, table.time]
    rows = [line.split(",") for line in lines[1:]]
    titles = Path(config.ingest.movies).read_text().splitlines()
    readme = TEXTS["examples/own_table/README.md"]
    counts = (len(rows), len({row[1] for row in rows}), len({row[0] for row in rows}))
    assert "holds {} made-up ratings of {} books by {} readers".format(*counts) in " ".join(
        readme.split()
    )
    assert {row[1] for row in rows} == {line.split(",")[0] for line in titles}
    assert len({(row[0], row[1]) for row in rows}) == len(rows)


def test_own_model_predicts_the_distance() -> None:
    folder = ROOT / "examples" / "own_model"
    spec = importlib.util.spec_from_file_location("euclidean_mf", folder / "euclidean_mf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.EuclideanMF.build(
        ModelSpec(num_movies=5, embedding_size=3, target=Target(kind="centered", mean=3.5)),
        torch.Generator().manual_seed(1),
    )
    users = torch.randn(2, model.user_width, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        model.movies.add_(torch.rand(model.movies.shape))
        found = model(users, torch.tensor([4, 0])).numpy()
    rows, movies = users.numpy().astype(float), model.movies.detach().numpy().astype(float)[[4, 0]]
    gap = ((rows[:, :3] - movies[:, :3]) ** 2).sum(axis=1)
    np.testing.assert_allclose(found, 3.5 + rows[:, 3] + movies[:, 3] - gap, rtol=1e-5)
    assert model.movie_factors() is None


def test_own_model_has_a_preset_of_known_settings() -> None:
    folder = ROOT / "examples" / "own_model"
    preset = yaml.safe_load((folder / "euclidean_mf.yaml").read_text())
    known = set(SETTINGS.list_settings())
    for section, values in preset.items():
        assert {f"{section}.{name}" for name in values} <= known
    name = preset["train"].pop("architecture")
    assert name not in ARCHITECTURES
    assert f'"{name}": EuclideanMF' in TEXTS["examples/own_model/README.md"]


def test_notebook_is_valid_and_has_no_outputs() -> None:
    notebook = json.loads((ROOT / "examples" / "notebook.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        assert set(cell) >= {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            compile("".join(cell["source"]), cell["id"], "exec")


def test_workflow_runs_the_two_commands() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    steps = workflow["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["scripts/run.sh", "scripts/test.sh"]


def test_picture_of_the_pipeline_names_jobs() -> None:
    picture = (ROOT / "docs" / "pipeline.svg").read_text(encoding="utf-8")
    named = {
        word
        for text in re.findall(r'class="job[^"]*"[^>]*>([^<]+)<', picture)
        for word in re.findall(r"\w+", text)
    }
    assert len(named) >= 8
    assert named <= {*JOBS, "inspect"}
