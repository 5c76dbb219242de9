"""Weight files of the metrics: local, named by the user, checked before they are read, never downloaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WeightFile:
    """name: of the file; source: where it comes from; sha256: its checksum, or the digits that its name carries."""

    name: str
    source: str
    sha256: str

    def find(self, folder: Path) -> Path:
        """Its path in `folder`. FileNotFoundError or ValueError that say what was expected and where it comes from."""
        path = folder / self.name
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: fetch it from {self.source} (sha256 {self._digits()}) and put it there"
            )
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if not found.startswith(self.sha256):
            raise ValueError(
                f"{path} has sha256 {found}, expected {self._digits()}: it is damaged or another file; fetch it again "
                f"from {self.source}"
            )
        return path

    def _digits(self) -> str:
        return self.sha256 if len(self.sha256) == 64 else f"{self.sha256}…"


ALEXNET = WeightFile(
    "alexnet-owt-7be5be79.pth", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "7be5be79"
)
LPIPS_ALEX = WeightFile(
    "alex.pth",
    "https://github.com/richzhang/PerceptualSimilarity, lpips/weights/v0.1/alex.pth (also in the PyPI package lpips)",
    "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
)
INCEPTION = WeightFile(
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
    "6726825d",
)
I3D = WeightFile(
    "i3d_torchscript.pt",
    "https://huggingface.co/flateon/FVD-I3D-torchscript (as StyleGAN-V uses it)",
    "bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
)
