"""The Spark session of a job, made the same way under python, spark-submit and tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from recspark.cluster.environment import check_worker_python
from recspark.cluster.java import ensure_java
from recspark.config import SparkConfig
from recspark.errors import EnvironmentProblem, describe

# What a job needs unless someone said otherwise, each with its reason.
DEFAULTS = {
    # Dates before 1900 and time zones must not shift a rating's day.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Ranks that find too few free slots fail after 45 s, which executors have for coming up; Spark
    # alone would try for ten minutes. Raise the second where executors take longer to start.
    "spark.scheduler.barrier.maxConcurrentTasksCheck.interval": "5s",
    "spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures": "9",
    # A barrier stage is refused under dynamic allocation.
    "spark.dynamicAllocation.enabled": "false",
    # What the driver starts beside a long job does not wait for all of its tasks.
    "spark.scheduler.mode": "FAIR",
    # Committing by the second algorithm would show part files of an unfinished job.
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "1",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}

# Large arrays come and go in Python workers, and come page by page: with huge pages, and with Arrow
# taking its memory from the same place as NumPy, ingest parses half as many rows again a second.
WORKER_MEMORY = {
    "spark.executorEnv.GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "spark.executorEnv.ARROW_DEFAULT_MEMORY_POOL": "system",
}

# For jobs in which the JVM only hands out work: its optimising compiler would take the cores from
# the Python workers for longer than it could save. With two cores and 20 million ratings prepare
# takes 11.6 instead of 17.6 s, on a cluster of two executors 16.2 instead of 24.9. Not for ALS:
# that computes in the JVM, and takes a quarter longer so.
QUICK_JVM = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1",
}

LOCAL_DEFAULTS = {
    # Everything is on this machine: no need to guess an address that others could reach.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # The UI of many short local jobs only fights over ports.
    "spark.ui.enabled": "false",
    # What it would show is kept all the same, of the last 1000 jobs, stages and queries.
    "spark.ui.retainedJobs": "50",
    "spark.ui.retainedStages": "50",
    "spark.ui.retainedTasks": "1000",
    "spark.sql.ui.retainedExecutions": "20",
}


CLUSTER_DEFAULTS = {
    # torchrun's log folders, below the executor's work folder and not in /tmp, where they stay.
    "spark.executorEnv.PET_LOG_DIR": "torchrun",
}


def create_session(config: SparkConfig, app_name: str, *, is_light: bool = False) -> SparkSession:
    """Return the session for a job; settings given to spark-submit win over `config`.

    Args:
        config: The `spark` section.
        app_name: The job's name, shown in Spark's UI and logs.
        is_light: Whether the JVM only hands out work (QUICK_JVM).

    Raises:
        EnvironmentProblem: PYSPARK_PYTHON is another Python, or Java does not start Spark.
    """
    # Executors and driver must be one Python, whatever `python3` on the PATH may be.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = _submitted_conf()
    conf.setIfMissing("spark.master", config.master)
    conf.setIfMissing("spark.driver.memory", config.driver_memory)
    conf.setIfMissing("spark.sql.shuffle.partitions", str(config.shuffle_partitions))
    conf.setIfMissing("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    for name, value in {**DEFAULTS, **WORKER_MEMORY, **config.properties}.items():
        conf.setIfMissing(name, value)
    for name, value in QUICK_JVM.items() if is_light else ():
        conf.setIfMissing(name, value)
    is_local_master = str(conf.get("spark.master")).startswith("local")
    check_worker_python(is_local=is_local_master)
    if is_local_master:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        for name, value in LOCAL_DEFAULTS.items():
            conf.setIfMissing(name, value)
    else:
        for name, value in CLUSTER_DEFAULTS.items():
            conf.setIfMissing(name, value)
    conf.setAppName(f"recspark {app_name}")
    spark = _start(conf)
    spark.sparkContext.setLogLevel(config.log_level)
    return spark


def is_local(spark: SparkSession) -> bool:
    """Return whether driver and executors are one process on this machine."""
    return str(spark.sparkContext.master).startswith("local")


def _start(conf: SparkConf) -> SparkSession:
    try:
        return SparkSession.builder.config(conf=conf).getOrCreate()
    except Exception as error:
        if "JAVA_GATEWAY_EXITED" not in str(error):
            raise
        raise EnvironmentProblem(
            describe(
                "Spark",
                found=f"that it does not start with the Java in {os.environ.get('JAVA_HOME')}",
                expected="a session",
                remedy="Java's own words are above; spark.driver.memory and spark.properties are "
                "what it was started with.",
            )
        ) from error


def _submitted_conf() -> SparkConf:
    """Return what spark-submit was told, or an empty conf where plain python started us."""
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        # Under spark-submit the JVM runs already and knows its properties.
        SparkContext._ensure_initialized()
        return SparkConf(loadDefaults=True)
    ensure_java()
    settings = Path(__file__).resolve().parents[2] / "conf"
    if (settings / "spark-defaults.conf").exists():
        os.environ.setdefault("SPARK_CONF_DIR", str(settings))
    return SparkConf(loadDefaults=False)
