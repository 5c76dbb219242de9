"""Bad inputs and what each gets: tables that are tried by `test_bad_inputs.py` and shown in docs/bad_inputs.md."""
