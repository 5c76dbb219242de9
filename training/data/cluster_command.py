"""Run a step of the data engine on a Ray cluster, a shard a task: render, import-video, import-multiview, import-poses
or caption, with that step's own options.

    python -m training data cluster --shards 64 --address auto -- render --out /shared/set --clips 100000 --size 128x128

Needs `pip install threedimo[cluster]` here and this project on every node. The shards share nothing but the data set's
folder, which all nodes must see under the same path. Each does exactly what the step does with --shard i/n, so a run
that lost a node, or was stopped, continues with the same command, and the set has the same bytes as one made on a
single machine. Without --address a Ray is started on this machine for the time of the run.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

STEPS = ("render", "import-video", "import-multiview", "import-poses", "caption")
_INSTALL = "Ray is not installed here; `pip install threedimo[cluster]`, or run the step by --shard i/n on each machine"
_SAID = 2000  # characters of what a shard says that are kept


@dataclass(frozen=True)
class ShardResult:
    """How a shard ended: its exit status and the last of what it said."""

    shard: int
    status: int
    said: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data cluster`."""
    parser.add_argument("--shards", type=int, required=True, help="tasks; a few times as many as there are CPUs")
    parser.add_argument("--address", help="of a running Ray cluster, such as auto (default: start one here)")
    parser.add_argument("--cpus", type=float, default=1.0, help="of each task (%(default)s)")
    parser.add_argument("--gpus", type=float, default=0.0, help="of each task, parts allowed (%(default)s)")
    parser.add_argument("step", choices=STEPS, help="what to run")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="the step's options, without --shard")


def run(arguments: argparse.Namespace) -> int:
    """Run all shards; status 1 when some failed, whose last words are printed."""
    options = [option for option in arguments.options if option != "--"]
    if arguments.shards < 1:
        raise ValueError(f"--shards is {arguments.shards}, expected at least 1")
    if any(option == "--shard" or option.startswith("--shard=") for option in options):
        raise ValueError("--shard is given by the cluster's driver; leave it out of the step's options")
    check_options(arguments.step, options)
    results = run_shards(arguments.step, options, arguments.shards, arguments.address, arguments.cpus, arguments.gpus)
    failed = [result for result in results if result.status]
    for result in failed:
        print(f"shard {result.shard}/{arguments.shards} failed: {result.said.strip()}", file=sys.stderr)
    print(f"{len(results) - len(failed)} of {arguments.shards} shards are done, {len(failed)} failed")
    return 1 if failed or len(results) < arguments.shards else 0


def check_options(step: str, options: list[str]) -> None:
    """Let the step's own parser judge its options here, before any machine is asked for."""
    module = importlib.import_module(f"training.data.{step.replace('-', '_')}_command")
    parser = argparse.ArgumentParser(prog=f"python -m training data {step}")
    module.add_arguments(parser)
    parser.parse_args(options)


def run_shards(
    step: str, options: list[str], shards: int, address: str | None, cpus: float = 1.0, gpus: float = 0.0
) -> list[ShardResult]:
    """The results of all shards, by number. ValueError without Ray, or when the cluster cannot be reached."""
    try:
        ray: Any = importlib.import_module("ray")
        data: Any = importlib.import_module("ray.data")
    except ImportError as error:
        raise ValueError(f"{_INSTALL} ({error})") from error
    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
    except ConnectionError as error:
        raise ValueError(f"there is no Ray cluster at {address!r} ({error})") from error
    try:
        numbers = data.range(shards, override_num_blocks=shards)
        task = partial(run_shard, step=step, options=options, shards=shards, folder=os.getcwd())
        rows = numbers.map(task, num_cpus=cpus, num_gpus=gpus).take_all()
    finally:
        ray.shutdown()
    return sorted((ShardResult(**row) for row in rows), key=lambda result: result.shard)


def run_shard(row: dict[str, Any], step: str, options: list[str], shards: int, folder: str) -> dict[str, Any]:
    """One task: the step as a process of its own, so that its threads and its end do not touch Ray's worker."""
    number = int(row["id"])
    command = [sys.executable, "-m", "training", "data", step, *options, "--shard", f"{number}/{shards}"]
    where = folder if Path(folder).is_dir() else None
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=where, env=os.environ | threads, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", check=False,
    )  # fmt: skip
    return {"shard": number, "status": done.returncode, "said": done.stdout[-_SAID:]}
