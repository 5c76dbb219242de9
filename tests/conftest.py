"""What several test files of the trainer share: the mini at a size that a test can train, a VAE, a cached set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """The mini's classes at a tiny size, for a whole file."""
    from training_runs import shrink_the_mini

    with pytest.MonkeyPatch.context() as patch:
        shrink_the_mini(patch)
        yield


@pytest.fixture(scope="module")
def vae() -> Any:
    from training_runs import tiny_vae

    return tiny_vae()


@pytest.fixture(scope="module")
def data(small: None, vae: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered set of two clips with the latents of `vae`."""
    from training_runs import fill, rendered_set

    root = rendered_set(tmp_path_factory.mktemp("data") / "set")
    assert fill(root, vae) == 2
    assert fill(root, vae) == 0, "not idempotent"
    return root
