"""What happens to a job between its request and its delivery; no discord, no torch."""
