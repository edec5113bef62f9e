"""What a task does around the denoising loop."""
