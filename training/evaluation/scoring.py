"""The benchmark from Python: a model, a held-out folder and the names of parts in; figures out.

document = score("runs/mini", "heldout", size="smoke")
document["figures"]["retrieval | tokens, gap 90° | R@1"]["value"]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .heldout import SIZES, HeldOut, Size, label_of
from .image_metrics import Perceptual
from .parts import ENCODER_PARTS, NEEDS_GENERATOR, PARTS, USES_GENERATOR, Bench
from .plots import draw_plots
from .provenance import MadeBy, code_commit
from .report import Section, document_of, write_report
from .system import Sampling, System, open_encoder, open_system


def score(
    model: System | str | os.PathLike[str],
    heldout: str | os.PathLike[str],
    parts: Iterable[str] | None = None,
    size: str | Size = "smoke",
    *,
    plain: bool = False,
    render: tuple[int, int] | None = None,
    seed: int = 0,
    out: Path | None = None,
    sampling: Sampling | None = None,
    perceptual: Perceptual | None = None,
    reader_data: Path | None = None,
    workers: int = 1,
    progress: Callable[[Section], None] | None = None,
) -> dict[str, Any]:
    """Score a model folder (or an adapter file, or any `System`) and return the report as plain values.

    Args:
        heldout: folder of the held-out set; what is missing of `size` is rendered into it.
        parts: names from `PARTS`; default: all, or those of the encoder where `model` is an adapter file.
        plain: calm scenes, for models that were trained on them.
        render: height and width of the renders; default: those of the set that is there, else the model's. Clips are
            scaled to the model when they are scored.
        out: folder for report.json, report.md, plots and sheets, written after every part.
        progress: called with every part's section.

    Raises ValueError for unknown parts and sizes, before anything is loaded.
    """
    size = _known_size(size)
    names = _known_parts(parts, model)
    system = _opened(model, names, plain, seed, sampling)
    held = HeldOut(Path(heldout))
    pictures = held.shape(system.pictures, render)
    held.complete(size, pictures, seed, workers)
    made_by = MadeBy(system.checkpoint, seed, code_commit(), label_of(size, pictures, seed))
    bench = Bench(system, held, size, seed, perceptual, reader_data, out)
    sections: list[Section] = []
    for name in names:
        sections.append(PARTS[name](bench))
        if out is not None:
            write_report(out, sections, made_by, size.name)
            draw_plots(out, sections)
        if progress is not None:
            progress(sections[-1])
    return document_of(sections, made_by, size.name)


def _known_size(size: str | Size) -> Size:
    if isinstance(size, Size):
        return size
    if size not in SIZES:
        raise ValueError(f"size {size!r} is unknown; choose one of {', '.join(SIZES)}")
    return SIZES[size]


def _known_parts(parts: Iterable[str] | None, model: System | str | os.PathLike[str]) -> list[str]:
    """The wanted parts in the benchmark's order."""
    only_encoder = model.make is None if isinstance(model, System) else Path(model).is_file()
    wanted = list(parts) if parts is not None else list(ENCODER_PARTS if only_encoder else PARTS)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown or not wanted:
        raise ValueError(f"part {', '.join(unknown) or '(none)'} is unknown; choose of {', '.join(PARTS)}")
    impossible = NEEDS_GENERATOR & set(wanted) if only_encoder else ()
    if impossible:
        raise ValueError(
            f"{', '.join(impossible)} needs a generator and {model} is an encoder alone: give a model folder, or "
            f"leave that part out (--parts {' '.join(ENCODER_PARTS)})"
        )
    return [name for name in PARTS if name in wanted]


def _opened(
    model: System | str | os.PathLike[str], names: list[str], plain: bool, seed: int, sampling: Sampling | None
) -> System:
    if isinstance(model, System):
        return model
    path = Path(model)
    if path.is_file() or not USES_GENERATOR & set(names):
        return open_encoder(path, plain, seed)
    return open_system(path, plain, seed, sampling)


def with_cases(size: Size, cases: int | None, motions: int | None = None) -> Size:
    """A size with another number of generated clips a part, or of held-out motions."""
    changed = {name: value for name, value in (("cases", cases), ("motions", motions)) if value is not None}
    return replace(size, name=" ".join([size.name, *(f"{n}={v}" for n, v in changed.items())]), **changed)
