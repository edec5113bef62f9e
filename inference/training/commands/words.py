"""`words`: what the text encoder makes of captions, before `pocket` paints by it."""

import argparse
from pathlib import Path

import torch

from inference.training import samples
from inference.training.base_model import SD, find_folder, load_pipeline
from inference.training.commands import options
from inference.training.loop import Trainer
from inference.training.shards import facts_in
from inference.training.words import WordsTask

HELP = "the text encoder's words: it learns to say what captions tell"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_loop(parser, steps=3000, learning_rate=5e-4)
    parser.add_argument(
        "--init", default="pocket", help="the model to begin with: a catalogue name or a folder"
    )
    parser.add_argument("--shards", type=Path, required=True, help="the folder that render made")


def run(args: argparse.Namespace) -> None:
    """Trains the text encoder on the facts of all shards and exports the model with it."""
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.99)
    pipe = load_pipeline(find_folder(args.init), SD, torch.float32)
    task = WordsTask(
        pipe.text_encoder, pipe.tokenizer, facts_in(args.shards), device=settings.device
    )
    trainer = Trainer(task, settings)
    if args.resume:
        trainer.resume()
    trainer.run()
    pipe.text_encoder.load_state_dict(trainer.average["text_encoder"])
    samples.export(pipe, args.out / "model")
