"""The step loop: admit, batch, predict, step, decode."""
