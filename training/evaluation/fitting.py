"""Probes: small readers fitted on frozen features. What a probe can read, the code says; what it cannot, may be there.

Ridge regression (linear, exact) and a small MLP on the leading principal components. Strength of the ridge and the
MLP's best step are chosen on motions kept aside from fitting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .viewset import Floats, Ints

Probe = Callable[[Floats], Floats]
"""Features [M, D] → predictions [M, K]."""

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_VALIDATION_SHARE = 0.2
_COMPONENTS = 256
_HIDDEN = 256


@dataclass(frozen=True)
class Samples:
    """Rows to fit on: features [M, D], targets [M, K], and the motion [M] each row comes from."""

    features: Floats
    targets: Floats
    motions: Ints

    def only(self, chosen: np.ndarray) -> Samples:
        return Samples(self.features[chosen], self.targets[chosen], self.motions[chosen])

    def shuffled(self, seed: int) -> Samples:
        """The same rows with the targets of other rows: what is read from these is read from nothing."""
        order = np.random.default_rng([seed, 0x736875]).permutation(len(self.targets))
        return Samples(self.features, self.targets[order], self.motions)


def fit_ridge(samples: Samples, seed: int) -> Probe:
    """Linear probe. The penalty, a share of the features' mean variance, is chosen on motions kept aside, for each
    target by itself: what cannot be read must not blur what can.
    """
    fitted, aside = _split(samples, seed)
    solve = _ridge(fitted)
    asked = [np.full(samples.targets.shape[1], strength) for strength in _STRENGTHS]
    errors = np.stack([((solve(s)(aside.features) - aside.targets) ** 2).mean(0) for s in asked])
    return _ridge(samples)(np.array(_STRENGTHS)[errors.argmin(0)])


def _split(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    motions = np.unique(samples.motions)
    if len(motions) < 2:
        raise ValueError(f"a probe is fitted on {len(motions)} motion; it needs at least 2: use a larger set")
    count = max(1, round(_VALIDATION_SHARE * len(motions)))
    aside = np.random.default_rng([seed, 0x73706C]).permutation(motions)[:count]
    kept = ~np.isin(samples.motions, aside)
    return samples.only(kept), samples.only(~kept)


def _ridge(samples: Samples) -> Callable[[np.ndarray], Probe]:
    """The probe for any penalties [K], one a target: one decomposition serves them all."""
    mean, offset = samples.features.mean(0), samples.targets.mean(0)
    x = (samples.features - mean).astype(np.float64)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    right = vectors.T @ (x.T @ (samples.targets - offset) / len(x))

    def solve(strengths: np.ndarray) -> Probe:
        penalty = strengths * max(float(values.mean()), 1e-12)
        weights = (vectors @ (right / (np.maximum(values, 0)[:, None] + penalty))).astype(np.float32)
        return lambda features: (features - mean) @ weights + offset

    return solve


def fit_mlp(samples: Samples, seed: int, steps: int, batch: int = 512) -> Probe:
    """Two hidden layers on the leading principal components; keeps the weights that did best on motions kept aside."""
    fitted, aside = _split(samples, seed)
    project = _principal(fitted.features)
    offset, scale = fitted.targets.mean(0), fitted.targets.std() + 1e-9
    x, y = (torch.from_numpy(np.ascontiguousarray(v, np.float32)) for v in
            (project(fitted.features), (fitted.targets - offset) / scale))  # fmt: skip
    check, wanted = (torch.from_numpy(np.ascontiguousarray(v, np.float32)) for v in
                     (project(aside.features), (aside.targets - offset) / scale))  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _train(_network(x.shape[1], y.shape[1]), x, y, check, wanted, steps, batch)

    @torch.no_grad()
    def probe(features: Floats) -> Floats:
        read: Floats = network(torch.from_numpy(project(features))).numpy() * scale + offset
        return read

    return probe


def _principal(features: Floats) -> Callable[[Floats], Floats]:
    mean = features.mean(0)
    x = (features - mean).astype(np.float64)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    top = np.argsort(values)[::-1][:_COMPONENTS]
    # One scale for all components: their order of size is what keeps noise small.
    basis = (vectors[:, top] / np.sqrt(max(float(values[top].mean()), 1e-12))).astype(np.float32)
    return lambda rows: ((rows - mean) @ basis).astype(np.float32)


def _network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, _HIDDEN), nn.GELU(), nn.Dropout(0.1),
        nn.Linear(_HIDDEN, outputs),
    )  # fmt: skip


def _train(
    network: nn.Sequential, x: Tensor, y: Tensor, check: Tensor, wanted: Tensor, steps: int, batch: int
) -> nn.Sequential:
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, kept = float("inf"), {k: v.clone() for k, v in network.state_dict().items()}
    for step in range(steps):
        rows = torch.randint(len(x), (min(batch, len(x)),))
        loss = nn.functional.mse_loss(network(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % max(1, steps // 20) == 0 or step == steps - 1:
            error = _error(network, check, wanted)
            if error < best:
                best, kept = error, {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(kept)
    return network.eval()


@torch.no_grad()
def _error(network: nn.Sequential, x: Tensor, y: Tensor) -> float:
    network.eval()
    error = nn.functional.mse_loss(network(x), y).item()
    network.train()
    return error
