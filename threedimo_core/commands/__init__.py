"""The commands of `threedimo`, one module each with `run(arguments) -> int`; their options are in `arguments`."""
