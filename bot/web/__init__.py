"""The owner's window on the bot: health, metrics and a gallery, on loopback only."""
