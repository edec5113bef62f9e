"""The benchmark on a large GPU, with models of the real sizes and random weights."""
