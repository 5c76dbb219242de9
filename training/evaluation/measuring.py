"""Timing and memory, measured so that two ways of doing a thing can be compared in one run."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def alternating_medians(
    runs: Mapping[str, Callable[[], object]],
    repeats: int,
    device: torch.device,
    warmup: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of each run. The order turns around every round, so that drift of the machine meets all alike.

    clock: time.process_time counts the processor's seconds instead, on a CPU that is shared with other work.
    """
    for run in runs.values():
        for _ in range(warmup):
            run()
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats):
        for name in list(runs)[:: 1 if repeat % 2 == 0 else -1]:
            synchronise(device)
            start = clock()
            runs[name]()
            synchronise(device)
            samples[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in samples.items()}


def peak_memory(run: Callable[[], object], device: torch.device) -> int:
    """Peak bytes while `run` runs, everything already loaded included.

    CUDA: the allocator's peak. Elsewhere: the peak resident size of the process; where the system cannot reset that
    figure (outside Linux) it is the peak since the process began.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        run()
        synchronise(device)
        return torch.cuda.max_memory_allocated(device)
    if _CLEAR_REFS.exists():
        _CLEAR_REFS.write_text("5")  # resets VmHWM
        run()
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource  # absent on Windows

    run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
