"""Rendering in several processes; results come back in the order of the indices, whoever finished first.

Worker k renders every W-th index and sends records through a pipe of its own, so nothing is shared: a worker whose
parent was killed ends at its next send, and a worker that dies shows as a closed pipe, never as a hang.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import traceback
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

import torch

from .manifest import DiskFullError, Record
from .render_settings import RenderSettings, make_performance, motion_source
from .renderer import WarpRenderer


class WorkerError(RuntimeError):
    """A render worker failed; the message has its traceback."""


class WorkerDied(ChildProcessError):
    """A render worker was ended from outside, or ran out of memory."""


def make_performances(
    root: Path,
    settings: RenderSettings,
    indices: list[int],
    workers: int,
    device: str = "cpu",
    bank: Path | None = None,
) -> Iterator[Record]:
    """The records of `indices`, in that order, each published before it is yielded.

    One worker renders in this process. ValueError and DiskFullError of a worker are raised here as they are, any
    other error as WorkerError, and WorkerDied when one was killed; what was yielded stays valid.
    """
    if workers <= 1 or len(indices) <= 1:
        renderer, motions = WarpRenderer(device), motion_source(bank)
        for index in indices:
            yield make_performance(root, settings, index, renderer, motions)
        return
    yield from _in_order(indices, _from_workers(root, settings, indices, min(workers, len(indices)), device, bank))


def _in_order(indices: list[int], finished: Iterator[tuple[int, Record]]) -> Iterator[Record]:
    waiting: dict[int, Record] = {}
    position = 0
    for index, record in finished:
        waiting[index] = record
        while position < len(indices) and indices[position] in waiting:
            yield waiting.pop(indices[position])
            position += 1


def _from_workers(
    root: Path, settings: RenderSettings, indices: list[int], workers: int, device: str, bank: Path | None
) -> Iterator[tuple[int, Record]]:
    context = mp.get_context("spawn")
    processes, connections = [], []
    try:
        for number in range(workers):
            here, there = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(root, settings, indices[number::workers], device, bank, there), daemon=True
            )
            process.start()
            there.close()  # the child's end must live in the child only, or its death would not close the pipe
            processes.append(process)
            connections.append(here)
        yield from _receive(connections)
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.terminate()
            process.join()


def _receive(connections: list[Connection]) -> Iterator[tuple[int, Record]]:
    """Results as they come; a worker sends (index, record) pairs, then None, or instead the error that ended it."""
    open_connections = list(connections)
    while open_connections:
        ready = wait(open_connections)
        for connection in [each for each in open_connections if each in ready]:
            result = _next_result(connection)
            if result is None:
                open_connections.remove(connection)
            else:
                yield result


def _next_result(connection: Connection) -> tuple[int, Record] | None:
    try:
        result = connection.recv()
    except EOFError:
        raise WorkerDied(
            "a render worker ended without a word (killed, or out of memory); run the same command again "
            "to continue, with fewer --workers if memory was short"
        ) from None
    if isinstance(result, Exception):
        raise result
    return result


def _work(
    root: Path, settings: RenderSettings, indices: list[int], device: str, bank: Path | None, results: Connection
) -> None:
    """Body of a worker process: one thread, since two threads beside other work are several times slower."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    try:
        renderer, motions = WarpRenderer(device), motion_source(bank)
        for index in indices:
            results.send((index, make_performance(root, settings, index, renderer, motions)))
        results.send(None)
    except (BrokenPipeError, KeyboardInterrupt):
        return  # nobody listens any more
    except Exception as error:  # handed to the parent, which raises it, unless another worker's came first
        with suppress(BrokenPipeError):
            results.send(_for_parent(error))


def _for_parent(error: Exception) -> Exception:
    """The error in a form that a pipe carries: of a class with a plain constructor."""
    if isinstance(error, DiskFullError):
        return DiskFullError(error.errno, error.strerror)
    if isinstance(error, ValueError):
        return ValueError(str(error))
    return WorkerError(f"a render worker failed:\n{traceback.format_exc()}")
