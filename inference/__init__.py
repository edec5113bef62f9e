"""Standalone image-to-image inference; importing it loads no torch."""
