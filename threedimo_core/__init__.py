"""3DiMo as a library: motion tokens from a driving video, injected into a video transformer, the camera by text.

Nothing is imported here: ComfyUI and the command line start fast, and each module names what it needs.
"""
