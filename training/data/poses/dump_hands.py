"""Runs WiLoR or HaMeR over a video and writes the hands it finds to one npz, for `data import-poses --estimator hands`.

Both programs keep the rotations of the hands in memory and save meshes alone. This file needs nothing of this project:
copy it into a checkout of WiLoR or HaMeR and run it there, in its environment, as their demo.py is run (once, so that
their models are there):

    python dump_hands.py --model wilor --video dance.mp4 --out poses/dance.npz
    python dump_hands.py --model hamer --video dance.mp4 --out poses/dance.npz

Entry n of the file is a hand: frame[n] (of the video, from 0), right[n] (1: right), score[n] (how sure the finder is),
box[n] (x0, y0, x1, y1), hand_pose[n] [15, 3, 3] (MANO's joints, from the flat hand), global_orient[n] [3, 3] (about
the camera), betas[n] [10]; also fps, num_frames, estimator. Both networks see left hands mirrored; the rotations here
are of the hand itself.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

MIRROR = np.diag([-1.0, 1.0, 1.0]).astype(np.float32)
BATCH = 16


def main() -> None:
    """Read the options and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("wilor", "hamer"), required=True)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the npz to write")
    parser.add_argument("--checkpoint", help="of the model (default: where its demo looks)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    make = Wilor if arguments.model == "wilor" else Hamer
    count = dump(arguments.video, arguments.out, make(arguments.checkpoint, arguments.device))
    print(f"{count} hands are in {arguments.out}")


def dump(video: Path, out: Path, estimator: Wilor | Hamer) -> int:
    """Write the hands of a video; returns how many. The file appears whole or not at all."""
    entries: list[dict[str, Any]] = []
    number = -1
    for number, frame in enumerate(frames_of(video)):
        for hand in estimator.hands(frame):
            entries.append({"frame": number, **hand})
    shapes = {"frame": (), "right": (), "score": (), "box": (4,), "hand_pose": (15, 3, 3), "global_orient": (3, 3)}
    content: dict[str, Any] = {
        name: np.stack([entry[name] for entry in entries]) if entries else np.zeros((0, *shape), np.float32)
        for name, shape in (shapes | {"betas": (10,)}).items()
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}.npz")
    np.savez_compressed(
        beside, **content, fps=np.float64(frame_rate(video)), num_frames=number + 1, estimator=np.array(estimator.name)
    )
    os.replace(beside, out)
    return len(entries)


def frames_of(video: Path) -> Iterator[np.ndarray]:
    """The frames of a video as OpenCV gives them (blue first), which both programs expect."""
    capture = cv2.VideoCapture(str(video))
    if not capture.isOpened():
        raise SystemExit(f"{video} cannot be opened as a video")
    while True:
        read, frame = capture.read()
        if not read:
            capture.release()
            return
        yield frame


def frame_rate(video: Path) -> float:
    """Frames a second."""
    capture = cv2.VideoCapture(str(video))
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    capture.release()
    return rate


def unmirrored(matrices: np.ndarray, right: bool) -> np.ndarray:
    """Rotations [..., 3, 3] of the hand itself: the networks see a left hand in a mirror, as a right one."""
    return matrices if right else MIRROR @ matrices @ MIRROR


class _Estimator:
    """What both have in common: boxes of hands go in, MANO parameters come out."""

    name = ""
    dataset: Any
    recursive_to: Any
    model: Any
    config: Any
    device: str

    def _borrow(self, program: str, device: str) -> None:
        """What both programs have under the same names. They are there where this runs, never in this project."""
        self.dataset = import_module(f"{program}.datasets.vitdet_dataset").ViTDetDataset
        self.recursive_to = import_module(f"{program}.utils").recursive_to
        self.device = device

    def find(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """boxes [N, 4], right [N] (1 or 0), score [N] of the hands in a frame."""
        raise NotImplementedError

    def hands(self, frame: np.ndarray) -> Iterator[dict[str, Any]]:
        """One dictionary for each hand of a frame."""
        boxes, right, scores = self.find(frame)
        if not len(boxes):
            return
        cut = self.dataset(self.config, frame, boxes, right, rescale_factor=2.0)
        done = 0
        for batch in torch.utils.data.DataLoader(cut, batch_size=BATCH, shuffle=False, num_workers=0):
            with torch.no_grad():
                found = self.model(self.recursive_to(batch, self.device))["pred_mano_params"]
            count = len(batch["right"])
            values = {name: found[name].detach().float().cpu().numpy() for name in found}
            for entry in range(count):
                is_right = bool(right[done + entry])
                yield {
                    "right": np.uint8(is_right),
                    "score": np.float32(scores[done + entry]),
                    "box": np.asarray(boxes[done + entry], np.float32),
                    "hand_pose": unmirrored(values["hand_pose"][entry].reshape(15, 3, 3), is_right),
                    "global_orient": unmirrored(values["global_orient"][entry].reshape(3, 3), is_right),
                    "betas": values["betas"][entry].reshape(10),
                }
            done += count


class Wilor(_Estimator):
    """WiLoR with its own hand finder."""

    name = "wilor"

    def __init__(self, checkpoint: str | None, device: str) -> None:
        self._borrow("wilor", device)
        folder = Path("pretrained_models")
        model, self.config = import_module("wilor.models").load_wilor(
            checkpoint_path=checkpoint or str(folder / "wilor_final.ckpt"), cfg_path=str(folder / "model_config.yaml")
        )
        self.model = model.to(device).eval()
        self.finder = import_module("ultralytics").YOLO(str(folder / "detector.pt")).to(device)

    def find(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        boxes = self.finder(frame, conf=0.3, verbose=False)[0].boxes
        corners, right, scores = (value.detach().float().cpu().numpy() for value in (boxes.xyxy, boxes.cls, boxes.conf))
        return corners, right, scores


class Hamer(_Estimator):
    """HaMeR with the body finder and the hand key points of its demo."""

    name = "hamer"

    def __init__(self, checkpoint: str | None, device: str) -> None:
        self._borrow("hamer", device)
        models, zoo = import_module("hamer.models"), import_module("detectron2.model_zoo")
        model, self.config = models.load_hamer(checkpoint or models.DEFAULT_CHECKPOINT)
        self.model = model.to(device).eval()
        config = zoo.get_config("new_baselines/mask_rcnn_regnety_4gf_dds_FPN_400ep_LSJ.py", trained=True)
        config.model.roi_heads.box_predictor.test_score_thresh = 0.5
        config.model.roi_heads.box_predictor.test_nms_thresh = 0.4
        self.bodies = import_module("hamer.utils.utils_detectron2").DefaultPredictor_Lazy(config)
        self.points = import_module("vitpose_model").ViTPoseModel(device)

    def find(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = self.bodies(frame)["instances"]
        people = (found.pred_classes == 0) & (found.scores > 0.5)
        if not people.any():
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32)
        boxes = torch.cat([found.pred_boxes.tensor[people], found.scores[people][:, None]], dim=1).cpu().numpy()
        hands: list[tuple[list[float], int, float]] = []
        for person in self.points.predict_pose(frame[:, :, ::-1].copy(), [boxes]):
            for side, part in ((0, slice(-42, -21)), (1, slice(-21, None))):
                points = person["keypoints"][part]
                sure = points[points[:, 2] > 0.5]
                if len(sure) > 3:
                    box = [*sure[:, :2].min(axis=0), *sure[:, :2].max(axis=0)]
                    hands.append((box, side, float(sure[:, 2].mean())))
        corners, right, scores = (np.array([hand[part] for hand in hands], np.float32) for part in range(3))
        return corners.reshape(-1, 4), right, scores


if __name__ == "__main__":
    main()
