"""Model folders that hold configuration but no model."""

import json
from pathlib import Path
from typing import Any


def write_model(
    folder: Path,
    *,
    sample_size: Any = 64,
    kind: str = "StableDiffusionPipeline",
    part: str = "unet",
    vae_blocks: int = 4,
    part_extra: dict[str, Any] | None = None,
    scheduler: str = "DDIMScheduler",
) -> Path:
    files = {
        "model_index.json": {"_class_name": kind},
        f"{part}/config.json": {"sample_size": sample_size, **(part_extra or {})},
        "vae/config.json": {"block_out_channels": [8] * vae_blocks},
        "scheduler/scheduler_config.json": {"_class_name": scheduler},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (folder / part / "model.safetensors").write_bytes(bytes(1000))
    return folder
