"""train, valid → the models that PyTorch trains. See --help and docs/jobs.md.

Under python or spark-submit it launches its ranks through Spark. Under torchrun each process is one
rank, without Spark: torchrun --nproc_per_node 2 jobs/train.py --config …
"""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
