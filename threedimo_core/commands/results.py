"""What a command leaves behind: videos and, beside them, a contact sheet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..audio import AudioTrack
from ..images import Pixels, write_image
from ..sheet import SheetRow, contact_sheet
from ..video import write_video


@dataclass(frozen=True, eq=False)
class Result:
    """One generated video: camera text, frames uint8 [T, H, W, 3], file."""

    camera: str
    frames: Pixels
    path: Path

    def write(self, fps: float, audio: AudioTrack | None = None) -> None:
        """Write the video and print its path."""
        write_video(self.path, self.frames, fps, audio)
        print(self.path, flush=True)


def write_sheet(
    path: Path,
    title: str,
    reference: Pixels,
    driving: Pixels | None,
    results: list[Result],
    fps: float,
    subtitle: str = "",
) -> None:
    """The driving video (where there is one), the reference and every result; prints the sheet's path.

    reference: uint8 [H, W, 3]; driving: uint8 [T, H, W, 3], its first frames are those that were used.
    """
    count = len(results[0].frames)
    rows = [SheetRow("Reference", reference[None])]
    if driving is not None:
        rows.append(SheetRow("Driving video", driving[:count]))
    rows += [SheetRow("Generated", result.frames, result.camera) for result in results]
    print(write_image(path, contact_sheet(rows, title, subtitle, fps=fps)), flush=True)
