"""This engine against diffusers alone, compiled and statically batched, on seeded traces."""
