"""Start and stop a small standalone Spark cluster on this machine: a Master and some Workers.

    python scripts/cluster.py start runs/cluster          # prints spark://127.0.0.1:PORT
    SPARK_CONF_DIR=runs/cluster/conf scripts/submit.sh spark://127.0.0.1:PORT pipeline --config …
    python scripts/cluster.py stop runs/cluster

Every daemon is a separate JVM from the installed pyspark and listens on loopback only. The folder
holds their logs, the Workers' work directories, `pids.json`, and `conf/`. That `conf/` has the
settings of the project's conf/ and a secret made for this cluster. The cluster rejects applications
without the secret.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyspark

from recspark.cluster.java import ensure_java

HOST = "127.0.0.1"
SCRATCH = "local"
CONF = Path(__file__).resolve().parent.parent / "conf"
START_SECONDS = 60
STOP_SECONDS = 20
DEPLOY = "org.apache.spark.deploy"


def start(folder: Path, workers: int, cores: int, memory: str, properties: list[str]) -> str:
    """Start the daemons, wait until all Workers are registered, and return the master's URL.

    Args:
        folder: Where the cluster keeps all its files; it must not hold a running cluster.
        workers: Number of Workers.
        cores: Cores of each Worker.
        memory: Memory of each Worker, as Spark writes sizes.
        properties: Further `name=value` settings of daemons and applications.
    """
    if (folder / "pids.json").exists():
        raise SystemExit(f"{folder}: found a cluster, expected none. Stop it first.")
    write_settings(folder / "conf", properties)
    # Workers that create this folder at the same moment fail, and then launch no executor.
    (folder / SCRATCH).mkdir()
    try:
        launch(folder, "master", "master.Master", "--port", "0", "--webui-port", "0")
        url = wait_for(folder, "master", r"Starting Spark master at (spark://\S+)", 1)[0]
        for number in range(1, workers + 1):
            work = folder / f"work-{number}"
            options = ["--cores", str(cores), "--memory", memory, "--webui-port", "0"]
            launch(
                folder, f"worker-{number}", "worker.Worker", *options, "--work-dir", str(work), url
            )
        wait_for(folder, "master", r"Registering worker (\S+)", workers)
    except BaseException:
        stop(folder)
        raise
    return url


def write_settings(conf: Path, properties: list[str]) -> None:
    """Copy conf/ and add the cluster's own secret. Only this user may read the copy."""
    conf.mkdir(parents=True, mode=0o700)
    shutil.copy(CONF / "log4j2.properties", conf)
    lines = [
        (CONF / "spark-defaults.conf").read_text(),
        "spark.driver.host 127.0.0.1",
        "spark.driver.bindAddress 127.0.0.1",
        "spark.ui.enabled false",
        "spark.authenticate true",
        "spark.network.crypto.enabled true",
        "spark.io.encryption.enabled true",
        f"spark.authenticate.secret {secrets.token_hex(32)}",
        *(" ".join(item.split("=", 1)) for item in properties),
    ]
    file = conf / "spark-defaults.conf"
    file.touch(mode=0o600)
    file.write_text("\n".join(lines) + "\n")


def launch(folder: Path, name: str, main: str, *options: str) -> None:
    """Start one daemon, detached, with its log in the folder, and record its pid."""
    home = str(Path(pyspark.__file__).parent)
    environment = {
        **os.environ,
        "JAVA_HOME": ensure_java(),
        "SPARK_HOME": home,
        "SPARK_LOCAL_IP": HOST,
        "SPARK_PUBLIC_DNS": HOST,
        "SPARK_DAEMON_MEMORY": "512m",
        # Executors' temporary files; the default is /tmp.
        "SPARK_LOCAL_DIRS": str(folder.resolve() / SCRATCH),
        # Not conf/: its log4j2.properties drops the INFO lines that tell when a daemon is ready.
        "SPARK_CONF_DIR": str(folder.resolve() / "none"),
    }
    settings = str(folder / "conf" / "spark-defaults.conf")
    command = [f"{home}/bin/spark-class", f"{DEPLOY}.{main}", "--host", HOST]
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--properties-file", settings, *options],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    pids = read_pids(folder)
    # Record the start time too: by the time of the stop, another process may have the same pid.
    pids[name] = [process.pid, psutil.Process(process.pid).create_time()]
    (folder / "pids.json").write_text(json.dumps(pids))


def wait_for(folder: Path, name: str, pattern: str, times: int) -> list[str]:
    """Wait until the pattern occurs `times` times in a daemon's log; return all matches."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = re.findall(pattern, (folder / f"{name}.log").read_text(errors="replace"))
        if len(found) >= times:
            return found
        for other, process in processes(folder).items():
            if process is None:
                raise SystemExit(f"{other} ended:\n{tail(folder, other)}")
        time.sleep(0.2)
    raise SystemExit(f"{name} not ready after {START_SECONDS} s:\n{tail(folder, name)}")


def tail(folder: Path, name: str) -> str:
    return "\n".join((folder / f"{name}.log").read_text(errors="replace").splitlines()[-15:])


def read_pids(folder: Path) -> dict[str, list[float]]:
    file = folder / "pids.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def processes(folder: Path) -> dict[str, psutil.Process | None]:
    """Return the daemons by name, None for a daemon that has ended."""
    found: dict[str, psutil.Process | None] = {}
    for name, (pid, created) in read_pids(folder).items():
        found[name] = None
        if psutil.pid_exists(int(pid)):
            process = psutil.Process(int(pid))
            is_same = abs(process.create_time() - created) < 1
            if is_same and process.status() != psutil.STATUS_ZOMBIE:
                found[name] = process
    return found


def stop(folder: Path) -> None:
    """Stop the Workers, then the Master, and remove all their files except the logs."""
    by_name = processes(folder)
    for names in ([name for name in by_name if name != "master"], ["master"]):
        running = [process for name in names if (process := by_name.get(name))]
        # A Worker's executors are its children. They end with it, but not always when it is killed.
        family = [child for process in running for child in process.children(recursive=True)]
        for process in running:
            process.terminate()
        _, late = psutil.wait_procs([*running, *family], timeout=STOP_SECONDS)
        for process in late:
            process.kill()
        psutil.wait_procs(late, timeout=STOP_SECONDS)
    for leftover in [*folder.glob("work-*"), folder / SCRATCH, folder / "conf"]:
        shutil.rmtree(leftover, ignore_errors=True)
    (folder / "pids.json").unlink(missing_ok=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cores", type=int, default=1, help="of each Worker")
    parser.add_argument("--memory", default="2g", help="of each Worker")
    parser.add_argument("--conf", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if arguments.action == "stop":
        stop(folder)
        return 0
    print(start(folder, arguments.workers, arguments.cores, arguments.memory, arguments.conf))
    return 0


if __name__ == "__main__":
    sys.exit(main())
