"""Sheets of pictures to look at while a LoRA trains, and the file that it becomes."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image
from PIL import Image
from torch import Tensor

from inference.families.quiet import quiet
from inference.families.weights import write_weights
from inference.training.averaged import averaged
from inference.training.crops import PairCrops
from inference.training.lora import ATTENTION, LoraTask, architecture

STEPS, STRENGTH = 20, 0.7


class LoraSheets(LoraTask):
    """A LoRA task that writes sample sheets."""

    shown: PairCrops
    guidance: float
    average: Mapping[str, Mapping[str, Tensor]]

    def watch(
        self, shown: PairCrops, guidance: float, average: Mapping[str, Mapping[str, Tensor]]
    ) -> None:
        """The pairs to show and how strongly their words steer; `average` may be filled later."""
        self.shown, self.guidance, self.average = shown, guidance, average

    def sample(self, folder: Path, step: int) -> None:
        """Writes `lora-STEP.png`: a row for each pair.

        The input, without the LoRA, with it, and the output; no input where there is none.
        """
        rows = []
        with averaged(self.modules(), self.average):
            for i in range(min(4, len(self.shown.pairs))):
                self.pipe.unet.disable_adapters()
                without = self._picture(i)
                self.pipe.unet.enable_adapters()
                source, target = self.shown.centre(i)
                row = [without, self._picture(i), target]
                given = self.shown.pairs[i].source is not None
                rows.append(np.concatenate([source, *row] if given else row, axis=1))
        Image.fromarray(np.concatenate(rows)).save(folder / f"lora-{step:06d}.png")

    def _picture(self, index: int) -> Any:
        """What the model makes of a pair's input, or of its words alone: uint8 [h, w, 3]."""
        pair = self.shown.pairs[index]
        settings: dict[str, Any] = {
            "prompt": pair.instruction,
            "num_inference_steps": STEPS,
            "guidance_scale": self.guidance,
            "generator": torch.Generator().manual_seed(1),
        }
        if pair.source is None:
            settings["width"], settings["height"] = self.shown.size
            kind = AutoPipelineForText2Image
        else:
            settings["image"] = Image.fromarray(self.shown.centre(index)[0])
            settings["strength"] = STRENGTH
            kind = AutoPipelineForImage2Image
        with quiet():
            worker = kind.from_pipe(self.pipe)
        worker.set_progress_bar_config(disable=True)
        return np.asarray(worker(**settings).images[0])

    def export(self, path: Path, *, title: str, base: str) -> None:
        """Writes the safetensors file as diffusers names its layers, in float16.

        base: what the trained model is called. Its metadata are diffusers' own (peft's
        configuration), ModelSpec's (github.com/Stability-AI/ModelSpec) and kohya's rank and α.
        """
        from diffusers.utils import convert_state_dict_to_diffusers
        from peft import get_peft_model_state_dict

        with averaged(self.modules(), self.average):
            found = convert_state_dict_to_diffusers(get_peft_model_state_dict(self.pipe.unet))
            layers = {f"unet.{name}": value.half() for name, value in found.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_weights(layers, path, self._metadata(title, base))

    def _metadata(self, title: str, base: str) -> dict[str, str]:
        said = Counter(pair.instruction for pair in self.crops.pairs).most_common(1)[0][0]
        rules = {
            "unet.r": self.rank,
            "unet.lora_alpha": self.alpha,
            "unet.target_modules": sorted(ATTENTION),
            "unet.peft_type": "LORA",
        }
        return {
            "lora_adapter_metadata": json.dumps(rules, sort_keys=True),
            "modelspec.sai_model_spec": "1.0.0",
            "modelspec.architecture": architecture(self.pipe.unet.config, self.noising.prediction),
            "modelspec.implementation": "diffusers",
            "modelspec.title": title,
            "modelspec.trigger_phrase": said,
            "modelspec.resolution": "{}x{}".format(*self.crops.size),
            "modelspec.prediction_type": "v" if self.noising.prediction[0] == "v" else "epsilon",
            "ss_sd_model_name": base,
            "ss_network_dim": str(self.rank),
            "ss_network_alpha": str(self.alpha),
        }
