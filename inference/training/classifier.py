"""The judge: a small network that says what a picture of the world shows.

It is trained on rendered scenes in every style and names the style, the time of day and the
subject; a label map on the way tells it where the subject stands, and measures where the sky ends.
With it the other models are measured: does a picture that was asked to be a castle in oil at night
look like one?
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from inference.errors import ModelError
from inference.families.weights import write_weights
from inference.training.autoencoder import to_tensor
from inference.training.data import Pixels
from inference.training.examinations import COARSE, SIDE, UNSEEN, Examination
from inference.training.rendering import LABELS
from inference.training.styles import STYLES
from inference.training.subjects import SUBJECTS
from inference.training.world import TIMES

JUDGE = Path(__file__).parent / "judge"
"""The judge that comes with the project."""
CHANNELS = (24, 48, 96, 128)
HEADS: dict[str, tuple[str, ...]] = {
    "style": tuple(STYLES),
    "time": TIMES,
    "subject": tuple(SUBJECTS),
}
"""What it names, and among which names."""


class _Block(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.layers(x))


class _Down(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )


class Classifier(nn.Module):
    """[n, 3, SIDE, SIDE] in -1..1 to logits: by head [n, names], and "labels" [n, 7, h/4, w/4]."""

    def __init__(self, channels: Sequence[int] = CHANNELS, width: int = 64) -> None:
        super().__init__()
        a, b, c, d = channels
        self.at2 = nn.Sequential(_Down(3, a), _Block(a))
        self.at4 = nn.Sequential(_Down(a, b), _Block(b), _Block(b))
        self.at8 = nn.Sequential(_Down(b, c), _Block(c), _Block(c))
        self.at16 = nn.Sequential(_Down(c, d), _Block(d))
        self.merges = nn.ModuleList(nn.Conv2d(n, width, 1) for n in (b, c, d))
        self.fuse = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU())
        self.labels = nn.Conv2d(width, len(LABELS), 1)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(2 * d + width, len(names)) for name, names in HEADS.items()}
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """All logits, float32."""
        at4 = self.at4(self.at2(x))
        at8 = self.at8(at4)
        at16 = self.at16(at8)
        merged = self.merges[0](at4)
        for layer, level in zip(self.merges[1:], (at8, at16), strict=True):
            merged = merged + functional.interpolate(layer(level), size=merged.shape[2:])
        fused = self.fuse(merged)
        labels = self.labels(fused).float()
        where = labels.softmax(dim=1)[:, LABELS["subject"], None]
        subject = (where * fused).sum(dim=(2, 3)) / (where.sum(dim=(2, 3)) + 1e-3)
        seen = torch.cat([at16.mean(dim=(2, 3)), at16.amax(dim=(2, 3)), subject], dim=1)
        found = {name: head(seen).float() for name, head in self.heads.items()}
        return found | {"labels": labels}


class ClassifierTask:
    """Trains the judge on an examination; another one is kept for its own marks."""

    def __init__(
        self,
        model: Classifier,
        lessons: Examination,
        marks: Examination,
        *,
        batch: int = 32,
        device: str = "cpu",
        autocast: bool = True,
    ) -> None:
        self.model = model.to(device)
        self.lessons, self.marks = lessons, marks
        self.batch, self.autocast = batch, autocast
        self.device = torch.device(device)

    def modules(self) -> dict[str, nn.Module]:
        """The judge."""
        return {"judge": self.model}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of every head, and of the label map."""
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        picks = rng.integers(0, len(self.lessons.pixels), self.batch)
        pixels, labels = zip(*[self._shown(int(i), rng) for i in picks], strict=True)
        x = to_tensor(np.stack(pixels)).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            found = self.model(x)
        figures: dict[str, float] = {}
        loss = 0.5 * functional.cross_entropy(
            found["labels"], torch.from_numpy(np.stack(labels)).long().to(self.device)
        )
        truths = {
            "style": self.lessons.styles,
            "time": self.lessons.times,
            "subject": self.lessons.subjects,
        }
        for name, places in truths.items():
            wanted = torch.from_numpy(places[picks].astype(np.int64)).to(self.device)
            if bool((wanted != UNSEEN).any()):
                loss = loss + functional.cross_entropy(found[name], wanted, ignore_index=UNSEEN)
            seen = wanted != UNSEEN
            right = (found[name].argmax(dim=1) == wanted)[seen]
            figures[name] = float(right.float().mean()) if len(right) else 1.0
        return loss, {"loss": loss.item()} | figures

    def _shown(self, index: int, rng: np.random.Generator) -> tuple[Pixels, NDArray[np.uint8]]:
        """A lesson as it is shown this time: at times mirrored, moved, softened, re-lit."""
        pixels, labels = self.lessons.pixels[index], self.lessons.labels[index]
        if rng.random() < 0.5:
            pixels, labels = pixels[:, ::-1], labels[:, ::-1]
        step = SIDE // COARSE
        dy, dx = (int(v) for v in rng.integers(-2, 3, 2))
        around = ((2, 2), (2, 2))
        labels = np.pad(labels, around, mode="edge")[2 + dy :, 2 + dx :][:COARSE, :COARSE]
        wide = np.pad(pixels, (*((2 * step,) * 2,) * 2, (0, 0)), mode="edge")
        pixels = wide[(2 + dy) * step :, (2 + dx) * step :][:SIDE, :SIDE]
        if rng.random() < 0.3:
            half = Image.fromarray(np.ascontiguousarray(pixels)).resize(
                (int(SIDE * rng.uniform(0.6, 1)),) * 2, Image.Resampling.BILINEAR
            )
            pixels = np.asarray(half.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        if rng.random() < 0.3:
            gain = rng.uniform(0.9, 1.1, 3)
            pixels = np.clip(pixels * gain + rng.uniform(-8, 8), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(pixels), np.ascontiguousarray(labels)

    def sample(self, folder: Path, step: int) -> None:
        """Prints the marks of the weights as they are just now."""
        self.model.eval()
        print(f"step {step}: {self.report()}", flush=True)
        self.model.train()

    def report(self) -> str:
        """The marks in words."""
        found = Judge(self.model, self.device).marks(self.marks)
        return ", ".join(f"{name} {100 * share:.2f} %" for name, share in found.items())


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the judge sees in one picture.

    sky: [COARSE] columns, the share of the height that is sky there.
    """

    style: str
    time: str
    subject: str
    sky: NDArray[np.float64]


class Judge:
    """A trained classifier in use."""

    def __init__(self, model: Classifier, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._model = model.to(self._device).eval()

    @torch.no_grad()
    def look(self, pictures: Sequence[Image.Image]) -> list[Verdict]:
        """One verdict for each picture of any size."""
        verdicts = []
        for picture in pictures:
            small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
            x = to_tensor(np.asarray(small)[None]).to(self._device)
            found = self._model(x)
            named = {n: HEADS[n][int(found[n].argmax())] for n in HEADS}
            sky = found["labels"].softmax(dim=1)[0, LABELS["sky"]].mean(dim=0)
            verdicts.append(Verdict(**named, sky=sky.double().cpu().numpy()))
        return verdicts

    def marks(self, examination: Examination) -> dict[str, float]:
        """By head: the share of the pictures that it names rightly, 0..1."""
        verdicts = self.look([Image.fromarray(one) for one in examination.pixels])
        truths = (
            ("style", examination.styles),
            ("time", examination.times),
            ("subject", examination.subjects),
        )
        marks = {}
        for name, places in truths:
            right = [
                getattr(verdict, name) == HEADS[name][place]
                for verdict, place in zip(verdicts, places, strict=True)
                if place != UNSEEN
            ]
            marks[name] = float(np.mean(right))
        return marks


def save_judge(model: Classifier, folder: Path, marks: dict[str, float]) -> None:
    """Writes the weights in float16, with the marks beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    write_weights(weights, folder / "judge.safetensors")
    (folder / "marks.json").write_text(json.dumps(marks, indent=2) + "\n", "utf-8")


def load_judge(folder: Path) -> Judge:
    """Raises ModelError where there is none."""
    path = folder / "judge.safetensors"
    if not path.is_file():
        raise ModelError(
            f"{path} is missing; make it with: python -m inference.training classifier"
        )
    model = Classifier()
    model.load_state_dict({k: v.float() for k, v in load_file(path).items()}, strict=True)
    return Judge(model)
