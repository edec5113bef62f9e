"""Everything that speaks Discord: what comes in, and what is shown."""
