"""Own footage: videos cut into shots and clips, calibrated multi-view captures, captions by rule and by model."""
