"""The Spark session of a job, created the same way under python, spark-submit and tests."""

from __future__ import annotations

import logging
import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from recspark.cluster.environment import check_worker_python
from recspark.cluster.java import ensure_java
from recspark.config import SparkConfig
from recspark.errors import EnvironmentProblem, describe

logger = logging.getLogger(__name__)

# The properties that a job needs unless they are set elsewhere, each with its reason.
DEFAULTS = {
    # Dates before 1900 and time zones must not shift a rating's day.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Each operator of each task reserves at least one page. Spark's default follows the heap, up to
    # 64 MB: small aggregates alone would let the heap grow by gigabytes.
    "spark.buffer.pageSize": "2m",
    # Python workers of data frames then have the same environment as those of RDDs and are the same
    # processes: fewer starts, and half of the memory.
    "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled": "false",
    # Ranks that find too few free slots fail after 9 checks 5 s apart. Executors have these 45 s to
    # start; raise maxFailures if they take longer. Spark's default is ten minutes.
    "spark.scheduler.barrier.maxConcurrentTasksCheck.interval": "5s",
    "spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures": "9",
    # Spark refuses barrier stages under dynamic allocation.
    "spark.dynamicAllocation.enabled": "false",
    # A short job that the driver starts beside a long one does not wait for all its tasks.
    "spark.scheduler.mode": "FAIR",
    # The second commit algorithm would show part files of an unfinished job.
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "1",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}

# Python workers allocate and free large arrays, page by page. With huge pages, and with Arrow
# allocating from the same pool as NumPy, ingest parses 1.5 times as many rows per second.
WORKER_MEMORY = {
    "spark.executorEnv.GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "spark.executorEnv.ARROW_DEFAULT_MEMORY_POOL": "system",
}

# For jobs in which the JVM only distributes work: its optimising compiler would take more time from
# the Python workers' cores than it saves. With two cores and 20 million ratings prepare takes 11.6
# instead of 17.6 s, on a cluster of two executors 16.2 instead of 24.9 s. Not for ALS, which
# computes in the JVM and would take a quarter longer.
QUICK_JVM = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1",
}

# A heap of this size or less is collected by one thread: it stays as small as the data allow, where
# the usual collector would use all of it. Larger heaps keep the collector that uses all cores.
SMALL_HEAP_MIB = 1024
SMALL_JVM_OPTION = "-XX:+UseSerialGC"
# Java's own variables; it refuses to start with a collector from there and another one from here.
JAVA_VARIABLES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")

LOCAL_DEFAULTS = {
    # Everything is on this machine, so no address has to be guessed that others could reach.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # The UIs of many short local jobs would only compete for ports.
    "spark.ui.enabled": "false",
    # Even so Spark keeps the UI's data, by default for the last 1000 jobs, stages and queries.
    "spark.ui.retainedJobs": "50",
    "spark.ui.retainedStages": "50",
    "spark.ui.retainedTasks": "1000",
    "spark.sql.ui.retainedExecutions": "20",
}


# What the driver's JVM is started with, and the options of spark-submit for it.
_JVM_PROPERTIES = {
    "spark.driver.memory": "--driver-memory",
    "spark.driver.extraJavaOptions": "--driver-java-options",
    "spark.driver.extraClassPath": "--driver-class-path",
}

CLUSTER_DEFAULTS = {
    # torchrun's log folders: below the executor's work folder, as they would stay in /tmp for ever.
    "spark.executorEnv.PET_LOG_DIR": "torchrun",
}


def create_session(config: SparkConfig, app_name: str, *, is_light: bool = False) -> SparkSession:
    """Return the session for a job; properties given to spark-submit override `config`.

    Args:
        config: The `spark` section.
        app_name: The job's name, shown in Spark's UI and logs.
        is_light: Whether the JVM only distributes work (QUICK_JVM).

    Raises:
        EnvironmentProblem: PYSPARK_PYTHON has another version, or Spark does not start on Java.
    """
    # Executors and driver must use the same Python, whatever `python3` on the PATH is.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = _submitted_conf()
    _warn_of_late_properties(conf, config.properties)
    for name, value in config.properties.items():
        conf.setIfMissing(name, value)
    conf.setIfMissing("spark.master", config.master)
    conf.setIfMissing("spark.driver.memory", config.driver_memory)
    conf.setIfMissing("spark.sql.shuffle.partitions", str(config.shuffle_partitions))
    conf.setIfMissing("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    for name, value in {**DEFAULTS, **WORKER_MEMORY}.items():
        conf.setIfMissing(name, value)
    is_local_master = str(conf.get("spark.master")).startswith("local")
    java_options = dict(QUICK_JVM) if is_light else {}
    is_small = _to_mib(str(conf.get("spark.driver.memory"))) <= SMALL_HEAP_MIB
    if is_local_master and is_small and not _has_collector():
        given = java_options.get("spark.driver.extraJavaOptions", "")
        java_options["spark.driver.extraJavaOptions"] = f"{given} {SMALL_JVM_OPTION}".strip()
    for name, value in java_options.items():
        conf.setIfMissing(name, value)
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


def _has_collector() -> bool:
    """Return whether the environment tells Java which garbage collector to use."""
    options = " ".join(os.environ.get(name, "") for name in JAVA_VARIABLES)
    return re.search(r"-XX:\+Use\w+GC\b", options) is not None


def _to_mib(size: str) -> float:
    """Return a size as Spark writes it, such as 4g or 512m, in MiB; infinity if it is no size."""
    found = re.fullmatch(r"\s*(\d+)\s*([kmgt]?)b?\s*", size.lower())
    if found is None:
        return math.inf
    return int(found[1]) * {"k": 1 / 1024, "m": 1, "": 1, "g": 1024, "t": 1024**2}[found[2]]


def _start(conf: SparkConf) -> SparkSession:
    try:
        return SparkSession.builder.config(conf=conf).getOrCreate()
    except Exception as error:
        if "JAVA_GATEWAY_EXITED" not in str(error):
            raise
        raise EnvironmentProblem(
            describe(
                "Spark",
                found=f"no start with the Java in {os.environ.get('JAVA_HOME')}",
                expected="a session",
                remedy="See Java's own message above. Check spark.driver.memory and "
                "spark.properties, with which it was started.",
            )
        ) from error


def _warn_of_late_properties(conf: SparkConf, properties: Mapping[str, str]) -> None:
    """Tell which properties come too late, because spark-submit has started the driver's JVM."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return
    for name, option in _JVM_PROPERTIES.items():
        if name in properties and conf.get(name, None) != properties[name]:
            logger.warning(
                "spark.properties: %s has no effect, because spark-submit starts the driver. Give "
                "spark-submit %s instead",
                *(name, option),
            )


def _submitted_conf() -> SparkConf:
    """Return the conf given to spark-submit, or an empty one if plain python is running."""
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        # Under spark-submit the JVM already runs and knows its properties.
        SparkContext._ensure_initialized()
        return SparkConf(loadDefaults=True)
    if os.environ.get("LC_ALL") in ("C", "POSIX"):
        # Python reads and writes UTF-8 then, but Java would turn the names of files into ASCII.
        os.environ["LC_ALL"] = "C.UTF-8"
    ensure_java()
    settings = Path(__file__).resolve().parents[2] / "conf"
    if (settings / "spark-defaults.conf").exists():
        os.environ.setdefault("SPARK_CONF_DIR", str(settings))
    return SparkConf(loadDefaults=False)
