"""The layers of the package: imports point downward, and three packages stay in their corner."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import recspark.columns

ROOT = Path(recspark.__file__).parent
L0 = {
    "errors",
    "columns",
    "schemas",
    "config",
    "paths",
    "logs",
    "island",
    "environment",
    "java",
    "checks",
    "redact",
    "packing",
}
L1 = {
    "json_files",
    "record",
    "intact",
    "claims",
    "owners",
    "processes",
    "staging",
    "object_store",
    "session",
    "storage",
    "manifest",
    "measure",
    "configure",
    "tasks",
    "blocks",
}
MAX_LINES = 250


def layer(module: str) -> int:
    """Return the layer of `recspark.<module>`; the package itself is at the bottom."""
    parts = module.split(".")[1:]
    if not parts or parts[0] in L0 or parts[0] == "__version__":
        return 0
    if parts[0] in L1:
        return 1
    return 3 if parts[0] == "stages" else 2


def module_name(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("")
    parts = [part for part in relative.parts if part != "__init__"]
    return ".".join(["recspark", *parts])


def imports(path: Path) -> list[str]:
    """Return the full names a file imports, those for type checking left out."""
    found: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.extend(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


FILES = sorted(ROOT.rglob("*.py"))


def test_imports_point_downward() -> None:
    for path in FILES:
        mine = module_name(path)
        if mine == "recspark":
            continue  # offers load_model, which imports when it is called
        for name in imports(path):
            if name.startswith("recspark"):
                assert layer(name) <= layer(mine), f"{mine} imports {name} of a higher layer"


def test_stages_do_not_import_each_other_but_for_the_pipeline() -> None:
    for path in (ROOT / "stages").glob("*.py"):
        if path.stem != "pipeline":
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


def test_torch_is_imported_where_models_are_made_and_loaded() -> None:
    for module in users_of("torch"):
        assert module.startswith(("recspark.models", "recspark.training")) or module == (
            "recspark.scoring.trained"
        ), f"{module} imports torch"


def test_models_and_training_know_nothing_of_spark() -> None:
    for module in users_of("pyspark"):
        assert not module.startswith(("recspark.models", "recspark.training")), module
    below = {"schemas", "columns", "config", "paths", "errors", "storage", "manifest", "measure"}
    assert not users_of("pyspark") & {f"recspark.{name}" for name in below}


def test_models_and_training_load_no_spark_on_the_way() -> None:
    """Over the closure of imports: a process in which pyspark cannot be imported has them all."""
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
    # Plain words (`rating`, `title`) mean other things too, and two columns are also data sets.
    names = {
        value
        for name, value in vars(recspark.columns).items()
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
