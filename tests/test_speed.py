"""`python -m training bench speed`: the FLOP counts against arithmetic, and a small run of the command."""

import json
from pathlib import Path

import pytest
import torch

from threedimo_core.config import MotionEncoderConfig
from training.evaluation.bench import main
from training.evaluation.flops import HUNYUAN_VIDEO15, WAN22_TI2V_5B, encoder_flops, injection_cost
from training.evaluation.measuring import alternating_medians


@pytest.mark.parametrize(
    ("model", "height", "width", "tokens", "per_token"),
    [
        # Per video token and block: projections, attention over N tokens, cross-attention or the text stream's part.
        (WAN22_TI2V_5B, 480, 832, 12_090, lambda d, n: 30.7 * d**2 + 4 * n * d),
        (HUNYUAN_VIDEO15, 480, 848, 49_290, lambda d, n: 24 * d**2 + 4 * n * d),
    ],
    ids=["wan", "hunyuan"],
)
def test_counted_flops_agree_with_arithmetic(model, height, width, tokens, per_token) -> None:
    cost = injection_cost(model, 121, height, width, MotionEncoderConfig.preset("base"))
    assert cost.video_tokens == tokens
    base = cost.base_flops / tokens / model.num_blocks
    assert base == pytest.approx(per_token(model.hidden_dim, tokens), rel=0.08)
    # Query and output projections are nearly all of the motion attention: 4 · d · inner.
    injection = cost.injection_flops / tokens / model.num_blocks
    assert injection == pytest.approx(4 * model.hidden_dim * cost.inner_dim, rel=0.08)
    assert cost.share < 0.05


def test_sizes_off_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        injection_cost(WAN22_TI2V_5B, 121, 480, 848, MotionEncoderConfig.preset("base"))


def test_encoder_flops_grow_with_frames() -> None:
    config = MotionEncoderConfig.preset("mini")
    assert encoder_flops(config, 20) == pytest.approx(2 * encoder_flops(config, 10), rel=1e-6)


def test_alternating_medians_runs_each_way_equally_often() -> None:
    calls: list[str] = []
    runs = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    medians = alternating_medians(runs, 2, torch.device("cpu"), warmup=0)
    assert calls == ["a", "b", "b", "a"]
    assert set(medians) == {"a", "b"} and min(medians.values()) >= 0


def test_bench_speed_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "speed.json"
    sizes = ["--frames", "5", "--size", "32", "--inner", "64"]
    assert main(["speed", "--repeats", "1", *sizes, "--out", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures["step"]["ratio"] > 0 and figures["encoder"]["peak_bytes"] > 0
    printed = capsys.readouterr().out
    assert "Wan2.2-TI2V-5B" in printed and "frames/s" in printed
    assert main(["speed", "--frames", "16"]) == 1
    assert "4n + 1" in capsys.readouterr().err
