"""Run a benchmark by its name. All further arguments go to it, including `--help`.

python scripts/benchmarks/run.py              # lists the benchmarks
python scripts/benchmarks/run.py feed --repeats 5
"""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HELPERS = ("common", "libmf_runs", "run")


def describe(file: Path) -> str:
    """Return the first line of a benchmark's docstring."""
    return (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]


def main() -> int:
    benchmarks = {file.stem: file for file in sorted(HERE.glob("*.py")) if file.stem not in HELPERS}
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in benchmarks:
        for each, file in benchmarks.items():
            print(f"{each:16}{describe(file)}")
        if name:
            print(f"run.py: found {name}, expected one of the names above.", file=sys.stderr)
        return 2 if name else 0
    sys.argv[:2] = [str(benchmarks[name])]
    runpy.run_path(str(benchmarks[name]), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
