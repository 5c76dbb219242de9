"""Other ways to steer the generator, for comparison alone (`recipe.control`, `python -m training ablate`).

- tokens: the method; motion tokens through cross-attention (no code here).
- channels: the same tokens, concatenated to the latents' channels instead.
- smpl: SMPL's body pose θ through an MLP, then the same cross-attention.
- pose_2d: a picture of the 2D skeleton, concatenated to the latents' channels, which is how AnimateAnyone and
  MimicMotion steer.

A control gives the trainee an encoder (batch → `MotionTokens`) and an injection with a `config`, `drop` and hooks.
"""
