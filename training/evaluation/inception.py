"""The Inception network of FID (TensorFlow's of 2015, as ported by pytorch-fid), up to its 2048 pooled features.

It differs from the usual Inception v3: its average pools leave the padding out, and its last block pools by maximum.
Names of the modules are those of the weight file.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .weights import INCEPTION

_Kernel = int | tuple[int, int]


class Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: _Kernel, stride: int = 1, padding: _Kernel = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


def _average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class MixedA(nn.Module):
    def __init__(self, inputs: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(inputs, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = Conv(inputs, 48, 1), Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Conv(inputs, 64, 1), Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, padding=1)
        self.branch_pool = Conv(inputs, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat(
            [self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, self.branch_pool(_average(x))], 1
        )


class MixedB(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Conv(inputs, 64, 1), Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], 1)


class MixedC(nn.Module):
    def __init__(self, inner: int) -> None:
        super().__init__()
        wide, high = ((1, 7), (0, 3)), ((7, 1), (3, 0))
        self.branch1x1 = Conv(768, 192, 1)
        self.branch7x7_1 = Conv(768, inner, 1)
        self.branch7x7_2 = Conv(inner, inner, wide[0], padding=wide[1])
        self.branch7x7_3 = Conv(inner, 192, high[0], padding=high[1])
        self.branch7x7dbl_1 = Conv(768, inner, 1)
        self.branch7x7dbl_2 = Conv(inner, inner, high[0], padding=high[1])
        self.branch7x7dbl_3 = Conv(inner, inner, wide[0], padding=wide[1])
        self.branch7x7dbl_4 = Conv(inner, inner, high[0], padding=high[1])
        self.branch7x7dbl_5 = Conv(inner, 192, wide[0], padding=wide[1])
        self.branch_pool = Conv(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(_average(x))], 1)


class MixedD(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = Conv(768, 192, 1), Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Conv(768, 192, 1)
        self.branch7x7x3_2 = Conv(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Conv(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        long = self.branch7x7x3_2(self.branch7x7x3_1(x))
        long = self.branch7x7x3_4(self.branch7x7x3_3(long))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), long, F.max_pool2d(x, 3, stride=2)], 1)


class MixedE(nn.Module):
    def __init__(self, inputs: int, maximum: bool) -> None:
        super().__init__()
        self.maximum = maximum
        self.branch1x1 = Conv(inputs, 320, 1)
        self.branch3x3_1 = Conv(inputs, 384, 1)
        self.branch3x3_2a = Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Conv(inputs, 448, 1), Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.maximum else _average(x)
        parts = [self.branch1x1(x), self.branch3x3_2a(single), self.branch3x3_2b(single)]
        parts += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), self.branch_pool(pooled)]
        return torch.cat(parts, 1)


class FidInception(nn.Module):
    """Pictures [N, 3, 299, 299] in [-1, 1] → features [N, 2048]."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3, self.Conv2d_2b_3x3 = Conv(32, 32, 3), Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1, self.Conv2d_4a_3x3 = Conv(64, 80, 1), Conv(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = MixedA(192, 32), MixedA(256, 64), MixedA(288, 64)
        self.Mixed_6a = MixedB(288)
        self.Mixed_6b, self.Mixed_6c = MixedC(128), MixedC(160)
        self.Mixed_6d, self.Mixed_6e = MixedC(160), MixedC(192)
        self.Mixed_7a = MixedD()
        self.Mixed_7b, self.Mixed_7c = MixedE(1280, maximum=False), MixedE(2048, maximum=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))


def load_inception(folder: Path) -> FidInception:
    """The network with the weights in `folder`."""
    weights = torch.load(INCEPTION.find(folder), map_location="cpu", weights_only=True)
    network = FidInception()
    wanted = network.state_dict()
    network.load_state_dict({name: value for name, value in weights.items() if name in wanted}, strict=False)
    # The file says nothing of how many batches were counted; everything else must be there.
    missing = [name for name in wanted if name not in weights and not name.endswith("num_batches_tracked")]
    if missing:
        raise ValueError(f"{INCEPTION.name} lacks {', '.join(missing[:3])} ...; fetch it again from {INCEPTION.source}")
    return network.eval().requires_grad_(False)
