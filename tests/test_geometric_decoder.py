"""D_g: shapes, independence of body and hands, mirrored hands, and a loss that reads only labelled joints."""

from __future__ import annotations

import pytest
import torch

from threedimo_core import rotations
from threedimo_core.geometric_decoder import (
    BODY_JOINTS,
    LEFT_HAND_JOINTS,
    RIGHT_HAND_JOINTS,
    GeometricDecoder,
    GeometricDecoderConfig,
    pose_error_degrees,
    pose_loss,
    pose_to_matrices,
)

CONFIG = GeometricDecoderConfig(token_dim=8, body_tokens=5, hand_tokens=2, hidden_dim=32, depth=3)


def random_rotations(*shape: int) -> torch.Tensor:
    return rotations.axis_angle_to_matrix(torch.randn(*shape, 3))


def test_shapes_and_start_near_the_t_pose() -> None:
    torch.manual_seed(0)
    decoder = GeometricDecoder(CONFIG)
    pose = decoder(torch.randn(3, 7, 5, 8), torch.randn(3, 7, 4, 8))
    assert pose.shape == (3, 7, 51, 6)
    matrices = pose_to_matrices(pose)
    assert matrices.shape == (3, 7, 51, 3, 3)
    angles = rotations.geodesic_distance(matrices, torch.eye(3).expand_as(matrices))
    assert float(torch.rad2deg(angles).mean().detach()) < 15


def test_body_and_hands_read_only_their_own_tokens() -> None:
    torch.manual_seed(0)
    decoder = GeometricDecoder(CONFIG)
    body, hands = torch.randn(2, 5, 8), torch.randn(2, 4, 8)
    pose = decoder(body, hands)
    other_left = hands.clone()
    other_left[:, :2] = torch.randn(2, 2, 8)
    changed = decoder(body, other_left)
    assert torch.equal(changed[:, BODY_JOINTS], pose[:, BODY_JOINTS])
    assert torch.equal(changed[:, RIGHT_HAND_JOINTS], pose[:, RIGHT_HAND_JOINTS])
    assert not torch.allclose(changed[:, LEFT_HAND_JOINTS], pose[:, LEFT_HAND_JOINTS])
    assert torch.equal(decoder(torch.randn(2, 5, 8), hands)[:, LEFT_HAND_JOINTS], pose[:, LEFT_HAND_JOINTS])


def test_equal_tokens_give_mirrored_hands() -> None:
    torch.manual_seed(0)
    decoder = GeometricDecoder(CONFIG)
    one_hand = torch.randn(4, 2, 8)
    pose = pose_to_matrices(decoder(torch.randn(4, 5, 8), torch.cat([one_hand, one_hand], dim=1)))
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.allclose(pose[:, LEFT_HAND_JOINTS], mirror @ pose[:, RIGHT_HAND_JOINTS] @ mirror, atol=1e-6)


def test_without_hand_tokens_hands_are_the_t_pose() -> None:
    decoder = GeometricDecoder(GeometricDecoderConfig(token_dim=8, hand_tokens=0, hidden_dim=16))
    pose = pose_to_matrices(decoder(torch.randn(2, 5, 8)))
    assert torch.equal(pose[:, LEFT_HAND_JOINTS], torch.eye(3).expand(2, 15, 3, 3))


@pytest.mark.parametrize("depth", (1, 2, 4))
def test_it_learns_a_pose_from_tokens(depth: int) -> None:
    torch.manual_seed(0)
    decoder = GeometricDecoder(GeometricDecoderConfig(token_dim=8, hidden_dim=64, depth=depth))
    body, hands, target = torch.randn(8, 5, 8), torch.randn(8, 4, 8), random_rotations(8, 51)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-2)
    first = pose_loss(decoder(body, hands), target).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = pose_loss(decoder(body, hands), target)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * first


def test_loss_is_zero_at_the_target_and_ignores_unlabelled_joints() -> None:
    target = random_rotations(4, 51)
    predicted = rotations.matrix_to_rotation_6d(target).requires_grad_()
    assert pose_loss(predicted, target).item() == pytest.approx(0, abs=1e-10)
    mask = torch.ones(4, 51, dtype=torch.bool)
    mask[:, LEFT_HAND_JOINTS] = False
    spoiled = target.clone()
    spoiled[:, LEFT_HAND_JOINTS] = float("nan")
    loss = pose_loss(predicted, spoiled, mask)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-10)
    assert bool(predicted.grad.isfinite().all())
    assert (pose_loss(predicted, spoiled, torch.zeros(4, 1, dtype=torch.bool))) == 0


def test_loss_of_a_known_angle() -> None:
    """A turn by a about z changes columns 0 and 1 by 2 (1 - cos a) each: 4 (1 - cos a) / 6 per joint."""
    angle = torch.tensor(0.5)
    target = torch.eye(3).expand(2, 51, 3, 3)
    turned = rotations.axis_angle_to_rotation_6d(torch.tensor([0.0, 0.0, 0.5]).expand(2, 51, 3))
    assert float(pose_loss(turned, target)) == pytest.approx(float(4 * (1 - angle.cos()) / 6), rel=1e-5)
    errors = pose_error_degrees(turned, target)
    assert set(errors) == {"body", "left_hand", "right_hand"}
    assert float(errors["body"]) == pytest.approx(28.648, abs=1e-2)


def test_bfloat16_and_wrong_sizes() -> None:
    decoder = GeometricDecoder(CONFIG, dtype=torch.bfloat16)
    pose = decoder(torch.randn(2, 5, 8).bfloat16(), torch.randn(2, 4, 8).bfloat16())
    assert pose.dtype == torch.bfloat16 and pose_to_matrices(pose).dtype == torch.float32
    with pytest.raises(ValueError, match=r"body_tokens has shape \(2, 4, 8\).*\[\.\.\., 5, 8\]"):
        decoder(torch.randn(2, 4, 8))
    with pytest.raises(ValueError, match="hidden_dim is 0"):
        GeometricDecoderConfig(token_dim=8, hidden_dim=0)
    with pytest.raises(ValueError, match="same leading dimensions"):
        pose_loss(torch.randn(2, 51, 6), torch.randn(3, 51, 3, 3))
