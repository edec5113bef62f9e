"""`python -m inference.training NAME …`: trains an embedded model; see docs/training.md."""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image

from inference.training import autoencoder, pocket, samples, tokens
from inference.training.data import Pixels, groups
from inference.training.loop import LoopSettings, Trainer, auto_device
from inference.training.photographs import TEST_PICTURES
from inference.training.shards import gather, read, write
from inference.training.world import HELD_OUT

SEEDS_APART = 100_000


def parser() -> argparse.ArgumentParser:
    """The command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--out", type=Path, required=True, help="where everything that is made goes"
    )
    common.add_argument(
        "--photos", default="", help="a folder laid out like site-packages with more photographs"
    )
    common.add_argument("--processes", type=int, default=2, help="processes that render")
    training = argparse.ArgumentParser(add_help=False, parents=[common])
    training.add_argument("--steps", type=int, default=20_000)
    training.add_argument(
        "--minutes", type=float, default=0.0, help="train for this long instead of --steps"
    )
    training.add_argument("--learning-rate", type=float, default=1e-3)
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--device", default="auto")
    training.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in --out"
    )
    training.add_argument("--save-every", type=int, default=500)
    training.add_argument("--sample-every", type=int, default=1000)
    top = argparse.ArgumentParser(prog="python -m inference.training", description=__doc__)
    names = top.add_subparsers(dest="name", required=True)
    ae = names.add_parser("autoencoder", parents=[training], help="pictures to latents and back")
    ae.add_argument("--batch", type=int, default=16)
    ae.add_argument(
        "--groups", type=int, default=2000, help="how many groups of six pictures to render"
    )
    ae.add_argument(
        "--pictures", type=Path, help="a .npy of pictures rendered before, [n, h, w, 3] uint8"
    )
    ae.add_argument("--init", type=Path, help="a folder that autoencoder made, to begin with")
    ae.add_argument("--decoder-only", action="store_true", help="leave the latents as they are")
    ae.add_argument("--texture", type=float, default=0.0, help="weight of local spectra's error")
    ae.add_argument("--latent-noise", type=float, default=0.0, help="noise the decoder forgives")
    render = names.add_parser("render", parents=[common], help="pictures for pocket, on disk")
    render.add_argument("sizes", nargs="+", help="WxH:GROUPS, as in 128x128:2600 256x256:700")
    pocket = names.add_parser("pocket", parents=[training], help="the latent diffusion model")
    pocket.add_argument("--vae", type=Path, required=True, help="the folder that autoencoder made")
    pocket.add_argument("--shards", type=Path, required=True, help="the folder that render made")
    pocket.add_argument(
        "--batches",
        nargs="+",
        required=True,
        help="WxH:BATCH:WEIGHT[:GROUPS] as in 128x128:32:0.6",
    )
    pocket.add_argument("--init", type=Path, help="a checkpoint whose weights to begin with")
    pocket.add_argument(
        "--export-only",
        action="store_true",
        help="write the model from the last checkpoint and stop",
    )
    pocket.add_argument(
        "--pairs", type=float, default=0.65, help="share of examples with a source picture"
    )
    return top


def test_pictures(size: tuple[int, int] = (256, 256)) -> Pixels:
    """The three held-out photographs, cropped to `size`; empty where scikit-image is missing."""
    spec = importlib.util.find_spec("skimage")
    roots = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    found = []
    for name in TEST_PICTURES:
        for root in roots:
            image = Image.open(root / "data" / f"{name}.png").convert("RGB")
            ratio = max(size[0] / image.width, size[1] / image.height)
            w, h = size[0] / ratio, size[1] / ratio
            x, y = (image.width - w) / 2, (image.height - h) / 2
            part = image.resize(size, Image.Resampling.LANCZOS, box=(x, y, x + w, y + h))
            found.append(np.asarray(part))
    return np.stack(found) if found else np.zeros((0, *size[::-1], 3), np.uint8)


def settings_from(args: argparse.Namespace, ema: float) -> LoopSettings:
    """The loop's settings from the command line."""
    return LoopSettings(
        out=args.out,
        steps=args.steps,
        minutes=args.minutes,
        learning_rate=args.learning_rate,
        seed=args.seed,
        ema=ema,
        save_every=args.save_every,
        sample_every=args.sample_every,
        device=auto_device(args.device),
    )


def train_autoencoder(args: argparse.Namespace) -> None:
    """Renders, trains, measures the latents' scale and saves `out/vae`."""
    if args.pictures:
        pictures = np.load(args.pictures, mmap_mode="r")
    else:
        made = groups(range(args.groups), (128, 128), 6, args.photos, args.processes)
        pictures = np.concatenate([g.pixels for g in made])
    held = np.concatenate(
        [g.pixels for g in groups(range(HELD_OUT, HELD_OUT + 4), (128, 128), 6, "", 1)]
    )
    watch = [("world", held), ("photos", test_pictures())]
    torch.manual_seed(args.seed)
    settings = settings_from(args, 0.998)
    task = autoencoder.AutoencoderTask(
        AutoencoderKL.from_pretrained(args.init) if args.init else autoencoder.build(),
        pictures,
        batch=args.batch,
        device=settings.device,
        decoder_only=args.decoder_only,
        texture=args.texture,
        latent_noise=args.latent_noise,
        watch=[w for w in watch if len(w[1])],
    )
    trainer = Trainer(task, settings)
    if args.resume:
        trainer.resume()
    trainer.run()
    task.model.load_state_dict(trainer.average["vae"])
    if not args.decoder_only:
        autoencoder.set_scale(task.model, np.ascontiguousarray(pictures[:512]))
    task.sample(args.out, trainer.step)
    task.model.save_pretrained(args.out / "vae")


def render_shards(args: argparse.Namespace) -> None:
    """Renders every size that was asked for; each size has its own seeds."""
    for i, text in enumerate(args.sizes):
        size, _, count = text.partition(":")
        w, h = (int(v) for v in size.split("x"))
        seeds = range(i * SEEDS_APART, i * SEEDS_APART + int(count))
        write(gather(groups(seeds, (w, h), 6, args.photos, args.processes), int(count)), args.out)


def train_pocket(args: argparse.Namespace) -> None:
    """Encodes the shards, trains UNet and text encoder, and exports `out/model`."""
    torch.manual_seed(args.seed)
    settings = settings_from(args, 0.996)
    vae = AutoencoderKL.from_pretrained(args.vae).to(settings.device).eval()
    latents = []
    for text in [] if args.export_only else args.batches:
        size, batch, weight, *most = text.split(":")
        shard = read(args.shards / f"{size}.npy", int(most[0]) if most else None)
        kept = args.out / f"latents-{size}.pt"
        latents.append(pocket.encode(vae, shard, int(batch), float(weight), kept))
        spread = float(latents[-1].values.float().std())
        print(f"{size}: {len(shard.facts)} pictures, latents' std {spread:.3f}", flush=True)
    tokenizer = tokens.learn(tokens.corpus(20_000, 0))
    task = samples.PocketSheets(
        pocket.build_unet(),
        pocket.build_text_encoder(tokenizer),
        tokenizer,
        latents,
        device=settings.device,
        pairs=args.pairs,
    )
    trainer = Trainer(task, settings)
    if args.init:
        trainer.start_from(args.init)
    if args.resume or args.export_only:
        trainer.resume()
    task.watch(vae, test_pictures(), trainer.average)
    if not args.export_only:
        trainer.run()
    samples.export(samples.pipeline(task, vae.cpu(), trainer.average), args.out / "model")


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    args = parser().parse_args(argv)
    commands = {"autoencoder": train_autoencoder, "render": render_shards, "pocket": train_pocket}
    commands[args.name](args)


if __name__ == "__main__":
    main()
