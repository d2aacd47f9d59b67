"""Packaging of recspark. What it requires, with reasons: recspark/cluster/requirements.py."""

import re
import runpy
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
REQUIREMENTS = runpy.run_path(str(HERE / "recspark" / "cluster" / "requirements.py"))[
    "REQUIREMENTS"
]
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "recspark" / "__init__.py").read_text())
# Ships a virtual environment to a cluster's executors; S3 for everything but Spark's own writers.
CLUSTER = ["venv-pack2>=0.3", "s3fs>=2024.2"]
# Plots of the report and the explore page.
REPORT = ["matplotlib>=3.8,<3.11", "jinja2>=3.1"]
# The search for better settings (recspark tune), which ends with a page.
TUNE = ["optuna>=4,<6", *REPORT]
# Training curves in TensorBoard (train.tensorboard).
TRACKING = ["tensorboard>=2.16"]

setup(
    name="recspark",
    version=VERSION.group(1),
    description="Raw ratings to scored test sets with Spark, Petastorm and PyTorch",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["recspark", "recspark.*"]),
    package_data={"": ["*.html", "*.js"], "recspark": ["py.typed", "presets/*.yaml"]},
    entry_points={"console_scripts": ["recspark=recspark.cli:main"]},
    install_requires=[f"{name}{versions}" for name, (versions, _) in REQUIREMENTS.items()],
    extras_require={
        "cluster": CLUSTER,
        "report": REPORT,
        "tracking": TRACKING,
        "tune": TUNE,
        # The yardsticks of scripts/benchmarks/factorisation.py, peers.py and lists.py.
        # setuptools: myFM asks it for its own version.
        "benchmark": [
            "implicit>=0.7.2",
            "libmf>=0.9.2",
            "myfm>=0.4",
            "scikit-surprise>=1.1.4",
            "setuptools<81",
        ],
        # What scripts/test_cluster.sh adds: an S3 server to test against.
        "dev-cluster": [*CLUSTER, "moto[server]>=5"],
        # What scripts/test.sh runs.
        "dev": [
            *TUNE,
            *TRACKING,
            "pytest>=8",
            "pytest-xdist>=3.6",  # a test process per core
            "hypothesis>=6.100",
            "ruff>=0.6",
            "mypy>=1.10",
            "types-PyYAML",
        ],
    },
)
