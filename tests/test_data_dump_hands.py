"""dump_hands.py beside stand-ins of WiLoR and HaMeR with their interfaces: what it writes, `import-poses` reads."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from footage_scenes import Room, write_mp4
from pose_files import matrices, random_pose

from training.data.poses import dump_hands
from training.data.poses.hand_dump import read_hands

F = 6
POSE = random_pose(F)
MIRROR = np.diag([-1.0, 1.0, 1.0])


def mano(number: int, right: bool) -> np.ndarray:
    """What the network says of a hand [15, 3, 3]: of a left one, what it sees in the mirror."""
    hand = matrices(POSE[number, 36:] if right else POSE[number, 21:36])
    return hand if right else MIRROR @ hand @ MIRROR


class Crops(torch.utils.data.Dataset):
    """ViTDetDataset's interface: one entry for each box."""

    def __init__(self, config, frame, boxes, right, rescale_factor):
        assert rescale_factor == 2.0 and frame.dtype == np.uint8 and config == "config"
        self.boxes, self.right = boxes, right

    def __len__(self):
        return len(self.boxes)

    def __getitem__(self, index):
        return {"img": torch.zeros(3, 8, 8), "right": float(self.right[index]), "box": np.float32(self.boxes[index])}


class Network(torch.nn.Module):
    """Says the pose of the frame that is written into the box."""

    def forward(self, batch):
        numbers, right = batch["box"][:, 0].round().int().tolist(), batch["right"].bool().tolist()
        poses = [mano(number, side) for number, side in zip(numbers, right, strict=True)]
        count = len(poses)
        return {
            "pred_mano_params": {
                "hand_pose": torch.from_numpy(np.stack(poses)).float(),
                "global_orient": torch.eye(3).repeat(count, 1, 1, 1),
                "betas": torch.zeros(count, 10),
            }
        }


class Finder:
    """YOLO's interface; a right hand in every frame, a left one in all but frame 2, nothing in frame 4."""

    def __init__(self) -> None:
        self.number = -1

    def to(self, device):
        return self

    def __call__(self, frame, **_):
        self.number += 1
        sides = {2: [1.0], 4: []}.get(self.number, [0.0, 1.0])
        boxes = torch.tensor([[self.number, 2.0, 3.0, 4.0]] * len(sides)).reshape(-1, 4)
        return [
            SimpleNamespace(boxes=SimpleNamespace(xyxy=boxes, cls=torch.tensor(sides), conf=torch.ones(len(sides))))
        ]


class Bodies:
    """detectron2's interface: a person in every frame but 4."""

    def __init__(self, config) -> None:
        self.number = -1

    def __call__(self, frame):
        self.number += 1
        count = 0 if self.number == 4 else 1
        boxes = SimpleNamespace(tensor=torch.full((count, 4), float(self.number)))
        scores = torch.ones(count)
        return {"instances": SimpleNamespace(pred_classes=torch.zeros(count), scores=scores, pred_boxes=boxes)}


class Points:
    """ViTPose's interface: 133 key points, the hands last."""

    def __init__(self, device) -> None:
        pass

    def predict_pose(self, picture, boxes):
        number = round(float(boxes[0][0, 0]))
        keypoints = np.zeros((133, 3))
        keypoints[-42:, 0], keypoints[-42:, 2] = number, 0.9
        if number == 2:
            keypoints[-42:-21, 2] = 0.1
        return [{"keypoints": keypoints}]


def modules(program: str) -> dict[str, ModuleType]:
    def module(name: str, **content: object) -> None:
        made[name] = ModuleType(name)
        made[name].__dict__.update(content)

    made: dict[str, ModuleType] = {}
    zoo = SimpleNamespace(get_config=lambda *_, **__: SimpleNamespace(model=_roi()))
    for name in (program, f"{program}.datasets"):
        module(name)
    module(f"{program}.datasets.vitdet_dataset", ViTDetDataset=Crops)
    module(f"{program}.utils", recursive_to=lambda batch, device: batch)
    load = {"load_wilor": lambda checkpoint_path, cfg_path: (Network(), "config"),
            "load_hamer": lambda checkpoint: (Network(), "config"), "DEFAULT_CHECKPOINT": "x"}  # fmt: skip
    module(f"{program}.models", **load)
    module("ultralytics", YOLO=lambda path: Finder())
    module("detectron2")
    module("detectron2.model_zoo", get_config=zoo.get_config)
    module("hamer.utils.utils_detectron2", DefaultPredictor_Lazy=Bodies)
    module("vitpose_model", ViTPoseModel=Points)
    return made


def _roi() -> SimpleNamespace:
    return SimpleNamespace(roi_heads=SimpleNamespace(box_predictor=SimpleNamespace()))


@pytest.mark.parametrize("program", ["wilor", "hamer"])
def test_what_is_dumped_is_what_is_read(program, tmp_path, monkeypatch, capsys):
    for name, made in modules(program).items():
        monkeypatch.setitem(sys.modules, name, made)
    video = write_mp4(tmp_path / "dance.mp4", Room(0, 48, 64).still(F), 16.0)
    out = tmp_path / "poses" / "dance.npz"
    monkeypatch.setattr(sys, "argv", ["x", "--model", program, "--video", str(video), "--out", str(out)])
    runpy.run_path(dump_hands.__file__, run_name="__main__")  # as it is run: a file by itself
    assert "9 hands are in" in capsys.readouterr().out
    assert [path.name for path in out.parent.iterdir()] == ["dance.npz"]
    file = read_hands(out)
    (track,) = file.tracks
    assert file.fps == 16.0 and track.frames.tolist() == [0, 1, 2, 3, 5]
    assert not track.known[:, :21].any() and track.known[:, 36:].all()
    assert track.known[:, 21].tolist() == [True, True, False, True, True]
    expected = np.where(track.known[..., None, None], matrices(POSE)[track.frames], np.eye(3))
    np.testing.assert_allclose(track.rotations, expected, atol=1e-6)


def test_it_needs_nothing_of_this_project():
    source = Path(dump_hands.__file__).read_text()
    assert "from ." not in source and "training" not in source and "threedimo" not in source


def test_mirroring_twice_changes_nothing():
    hand = matrices(POSE)
    np.testing.assert_allclose(dump_hands.unmirrored(dump_hands.unmirrored(hand, False), False), hand, atol=1e-6)
    assert dump_hands.unmirrored(hand, True) is hand


def test_videos_that_cannot_be_opened_are_named(tmp_path):
    with pytest.raises(SystemExit, match="cannot be opened"):
        list(dump_hands.frames_of(tmp_path / "no.mp4"))
