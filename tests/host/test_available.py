"""Says whether the tests in the real host run, and why not; `make test-host` wants them to run."""

import os

import pytest


def test_host_is_available(why_skipped: str | None) -> None:
    if why_skipped and os.environ.get("REQUIRE_HOST"):
        pytest.fail(f"the host tests were asked for and cannot run: {why_skipped}")
    if why_skipped:
        pytest.skip(f"all host tests are left out: {why_skipped}")
