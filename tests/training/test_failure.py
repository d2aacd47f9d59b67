from __future__ import annotations

from recspark.training.failure import explain_failures

# The end of torchrun's report, as torch 2.13 prints it.
REPORT = """
Root Cause (first observed failure):
[0]:
  time      : 2026-11-28_06:40:09
  host      : here
  rank      : 1 (local_rank: 1)
  exitcode  : {code} (pid: 4242)
  error_file: <N/A>
"""


def test_a_rank_that_was_killed_is_named() -> None:
    said = explain_failures([], REPORT.format(code=-9), num_ranks=2)
    assert said.startswith("rank 1 ended with exit code -9 and no message: it was killed or hangs")
    assert "lower train.batch_size" in said


def test_a_rank_that_nccl_ended_points_to_the_other() -> None:
    said = explain_failures([], REPORT.format(code=-6), num_ranks=2)
    assert said.startswith("rank 1 was ended by SIGABRT, as by NCCL when another rank does not")
    assert "the other was killed or hangs" in said
