"""The data engine, the curriculum and the evaluation; runs without ComfyUI."""
