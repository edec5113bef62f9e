"""How good the embedded models are: measures, what is measured, and the table."""
