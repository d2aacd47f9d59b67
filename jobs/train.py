"""train, valid → the models that PyTorch trains. See --help, and README.md.

Started by python or spark-submit, it launches its ranks through Spark; started by torchrun, each
process is one rank and Spark is left out: torchrun --nproc_per_node 2 jobs/train.py --config …
"""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
