"""`autoencoder`: pictures to latents and back."""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from inference.families.weights import let_others_read
from inference.training import autoencoder
from inference.training.commands import options
from inference.training.data import group, groups
from inference.training.loop import Trainer
from inference.training.world import HELD_OUT

HELP = "pictures to latents and back"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_rendering(parser)
    options.add_loop(parser)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument(
        "--groups", type=int, default=2000, help="how many groups of six pictures to render"
    )
    parser.add_argument(
        "--pictures", type=Path, help="a .npy of pictures rendered before, [n, h, w, 3] uint8"
    )
    parser.add_argument("--init", type=Path, help="a folder that autoencoder made, to begin with")
    parser.add_argument("--decoder-only", action="store_true", help="leave the latents as they are")
    parser.add_argument(
        "--texture", type=float, default=0.0, help="weight of local spectra's error"
    )
    parser.add_argument(
        "--latent-noise", type=float, default=0.0, help="noise the decoder forgives"
    )


def run(args: argparse.Namespace) -> None:
    """Renders, trains, measures the latents' scale and saves `out/vae`."""
    if args.pictures:
        pictures = np.load(args.pictures, mmap_mode="r")
    else:
        make = partial(group, size=(128, 128), extra=args.photos)
        made = groups(make, range(args.groups), args.processes)
        pictures = np.concatenate([g.pixels for g in made])
    held = np.concatenate(
        [group(seed, (128, 128)).pixels for seed in range(HELD_OUT, HELD_OUT + 4)]
    )
    watch = [("world", held), ("photos", options.test_pictures())]
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.998)
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
    let_others_read(args.out / "vae")
