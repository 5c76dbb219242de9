"""Poses from the files of pose estimators: read safely, brought to our joints, laid over clips by their time."""
