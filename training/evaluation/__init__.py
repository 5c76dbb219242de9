"""The benchmark: what the motion code knows of 3D, and what the method costs."""
