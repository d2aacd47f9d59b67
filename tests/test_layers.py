"""The layers of the package: imports point downward, and three libraries are used in few places."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import recspark
from recspark.contract import columns

ROOT = Path(recspark.__file__).parent
# From the top down. A package imports only from floors below its own, over the import closure.
FLOORS = (
    {"__main__"},
    {"cli"},
    {"jobs", "notebook"},
    {"stages"},
    {"report", "blend", "recommend", "scoring", "gates", "first_look", "tuning"},
    {"baselines", "training", "models", "evaluation", "explore", "synthetic"},
    {"ingest", "prepare"},
    {"tables"},
    {"saved", "datasets", "cluster", "text", "page"},
    {"config", "files", "arrays", "contract", "errors", "logs", "redact"},
)
# Within a floor, only these packages import from each other, without circles.
SIDEWAYS = {
    ("report", "recommend"),
    ("report", "scoring"),
    ("blend", "recommend"),
    ("blend", "scoring"),
    ("recommend", "scoring"),
    ("tuning", "scoring"),
    ("training", "models"),
    ("prepare", "ingest"),
    ("saved", "cluster"),
    ("datasets", "cluster"),
    ("config", "contract"),
    ("config", "files"),
    ("config", "errors"),
    ("files", "contract"),
    ("files", "errors"),
    ("arrays", "errors"),
    ("logs", "redact"),
    ("errors", "redact"),
}
MAX_LINES = 300


def module_name(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("")
    parts = [part for part in relative.parts if part != "__init__"]
    return ".".join(["recspark", *parts])


def imports(path: Path) -> list[str]:
    """Return the full names that a file imports, also inside functions and for type checking."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.extend(f"{node.module}.{alias.name}" for alias in node.names)
    return found


FILES = sorted(ROOT.rglob("*.py"))


MODULES = {module_name(path): path for path in FILES}


@functools.cache
def targets(module: str) -> set[str]:
    """Return the modules of recspark that a module imports."""
    found = set()
    for name in imports(MODULES[module]):
        for candidate in (name, name.rpartition(".")[0]):
            if candidate in MODULES and candidate not in ("recspark", module):
                found.add(candidate)
                break
    return found


def package(module: str) -> str:
    return module.split(".")[1]


def package_arrows() -> set[tuple[str, str]]:
    """Return (importing, imported) of packages; recspark/__init__.py offers every API."""
    arrows = {
        (package(module), package(target))
        for module in MODULES.keys() - {"recspark"}
        for target in targets(module)
    }
    return {(mine, theirs) for mine, theirs in arrows if mine != theirs}


def closure(start: str, neighbours: Callable[[str], set[str]]) -> set[str]:
    """Return everything that `start` reaches over one or more arrows."""
    reached, open_ = set(), [start]
    while open_:
        for target in neighbours(open_.pop()) - reached:
            reached.add(target)
            open_.append(target)
    return reached


def test_every_package_has_its_floor() -> None:
    packages = {package(module) for module in MODULES if module != "recspark"}
    assert packages == set().union(*FLOORS)


def test_imports_point_downward() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    for module in sorted(MODULES.keys() - {"recspark"}):  # that one offers every API
        mine = package(module)
        for target in targets(module):
            theirs = package(target)
            if theirs == mine or (mine, theirs) in SIDEWAYS:
                continue
            assert floor[theirs] > floor[mine], f"{module} imports {target} of a higher floor"


def test_no_module_reaches_itself() -> None:
    for module in sorted(MODULES.keys() - {"recspark"}):
        assert module not in closure(module, targets), f"{module} is part of a circle"


def test_no_package_reaches_itself_through_another() -> None:
    arrows = package_arrows()

    def imported(name: str) -> set[str]:
        return {theirs for mine, theirs in arrows if mine == name}

    for name in set().union(*FLOORS):
        assert name not in closure(name, imported), f"{name} is part of a circle of packages"


def test_sideways_table_has_no_dead_rows() -> None:
    assert package_arrows() >= SIDEWAYS


def test_stages_do_not_import_each_other_except_those_that_run_others() -> None:
    for path in (ROOT / "stages").glob("*.py"):
        if path.stem not in ("pipeline", "tune"):
            others = [name for name in imports(path) if name.startswith("recspark.stages")]
            assert not others, f"{path.name} imports {others}"


def users_of(package: str) -> set[str]:
    return {
        module_name(path)
        for path in FILES
        if any(name.split(".")[0] == package for name in imports(path))
    }


def test_petastorm_is_imported_in_one_file() -> None:
    assert users_of("petastorm") == {"recspark.training.petastorm_reader"}


def test_torch_is_only_imported_where_models_are_made_and_loaded() -> None:
    for module in users_of("torch"):
        allowed = ("recspark.models", "recspark.training", "recspark.saved.weights")
        assert module.startswith((*allowed, "recspark.scoring.trained")), f"{module} imports torch"


def test_models_and_training_do_not_import_spark() -> None:
    below = ("models", "training", "contract", "config", "files", "arrays", "datasets")
    for_types_only = {"recspark.files.parquet", "recspark.datasets.movie_sums"}
    for module in users_of("pyspark") - for_types_only:
        assert package(module) not in below, module


def test_models_and_training_load_without_spark() -> None:
    """All their modules can be imported in a process where importing pyspark fails."""
    modules = [
        module_name(path)
        for path in FILES
        if module_name(path).startswith(("recspark.models", "recspark.training"))
    ]
    assert len(modules) > 30
    code = "import importlib, sys\nsys.modules['pyspark'] = None\n" + "".join(
        f"importlib.import_module({module!r})\n" for module in modules
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_no_column_name_is_a_literal_outside_columns() -> None:
    # Plain words (`rating`, `title`) have other meanings too, and two columns are also data sets.
    names = {
        value
        for name, value in vars(columns).items()
        if name.isupper() and isinstance(value, str) and "_" in value
    } - {"user_index", "movie_index"}
    assert len(names) >= 8
    for path in FILES:
        if path.name == "columns.py":
            continue
        constants = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not constants & names, f"{path}: {constants & names}"


def test_files_stay_short() -> None:
    for path in FILES:
        assert len(path.read_text().splitlines()) <= MAX_LINES, path


def test_jobs_stay_thin() -> None:
    for path in (ROOT.parent / "jobs").glob("*.py"):
        assert len(path.read_text().splitlines()) < 40, path
