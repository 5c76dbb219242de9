"""How long work is stopped from outside, without a thread being killed."""


class Cancelled(Exception):
    """The caller's `cancelled` said stop; nothing was made and the model is as it was before."""
