"""The custom socket types that 3DiMo's nodes pass to one another, and the menu they are found in."""

from __future__ import annotations

from comfy_api.latest import io

CATEGORY = "3DiMo"

Motion = io.Custom("THREEDIMO_MOTION")  # a threedimo_core.motion_clip.MotionClip
Model3DiMo = io.Custom("THREEDIMO_MODEL")  # a nodes.holding.LoadedModel: the adapter, and how the host holds it
