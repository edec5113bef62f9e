"""The Palimpsest Discord bot. Importing it loads neither torch nor discord."""
