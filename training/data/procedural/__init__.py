"""Procedural motion: low-dimensional controls over time, solved to joint rotations.

`curves` (time) -> `lower`, `gaits`, `jumps`, `arms`, `fingers` (programs that draw controls)
-> `controls` (the bundle) -> `solve` (inverse kinematics, floor contact, rotations).
"""
