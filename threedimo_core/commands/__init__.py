"""The commands of `threedimo`, one module each: `add_arguments(parser)` and `run(arguments) -> int`."""
