"""Motion files from elsewhere: BVH, ASF/AMC and AMASS npz become `Motion`s.

`import_motion(path)` reads by the file's ending, retargets by joint positions, puts the feet on the floor and
resamples; `variants` gives mirrored and retimed copies.
"""

from .load import SUFFIXES, import_motion, read_motion
from .source import MotionFileError
from .variants import variants, with_drawn_fingers

__all__ = ["SUFFIXES", "MotionFileError", "import_motion", "read_motion", "variants", "with_drawn_fingers"]
