"""Zip the library for spark-submit's --py-files, with the byte code beside each source file.

    python scripts/zip_library.py build/recspark.zip

Python does not cache the byte code of modules that it imports from a zip. Without byte code in the
zip, the driver and every executor would compile the library again. Other Python versions than this
one ignore the byte code and compile the sources.
"""

from __future__ import annotations

import argparse
import os
import zipfile
from pathlib import Path

LIBRARY = Path(__file__).resolve().parent.parent / "recspark"


def zip_library(target: Path) -> None:
    """Write `target` atomically: a job that starts meanwhile reads the old or the new zip."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    with zipfile.PyZipFile(unfinished, "w") as archive:
        archive.writepy(str(LIBRARY))
        for file in sorted(LIBRARY.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(LIBRARY.parent))
    unfinished.replace(target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", type=Path, help="the zip to write")
    zip_library(parser.parse_args().target)
