"""Options of commands that train on rendered groups."""

import argparse
from pathlib import Path

from diffusers import AutoencoderKL

from inference.training.pocket import Latents, encode
from inference.training.shards import Shard, read


def add_shards(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """`--shards` and `--batches`."""
    parser.add_argument(
        "--shards", type=Path, required=required, help="the folder that render made"
    )
    parser.add_argument(
        "--batches",
        nargs="+",
        required=required,
        help="WxH:BATCH:WEIGHT[:GROUPS] as in 128x128:32:0.6",
    )


def shards_from(args: argparse.Namespace, vae: AutoencoderKL) -> list[tuple[Shard, Latents]]:
    """The shards that `--batches` names with their latents, which are kept in `--out`."""
    found = []
    for text in args.batches:
        size, batch, weight, *most = text.split(":")
        shard = read(args.shards / f"{size}.npy", int(most[0]) if most else None)
        kept = args.out / f"latents-{size}.pt"
        latents = encode(vae, shard, int(batch), float(weight), kept)
        spread = float(latents.values.float().std())
        print(f"{size}: {len(shard.facts)} pictures, latents' std {spread:.3f}", flush=True)
        found.append((shard, latents))
    return found
