"""`classifier`: the judge that the other models are measured with."""

import argparse

import torch

from inference.training.classifier import Classifier, ClassifierTask, Judge, save_judge
from inference.training.commands import options
from inference.training.examinations import kept
from inference.training.loop import Trainer
from inference.training.world import HELD_OUT

HELP = "the judge that the other models are measured with"
MARKED = 100_000
"""How far into the held-out seeds the judge's own examination begins: no other measure uses it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_loop(parser, steps=4000, learning_rate=2e-3)
    parser.add_argument("--processes", type=int, default=2, help="processes that render")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--scenes", type=int, default=24_000, help="pictures to learn from")
    parser.add_argument("--marks", type=int, default=1500, help="held-out pictures to be marked on")


def run(args: argparse.Namespace) -> None:
    """Renders, trains, prints the marks and saves `out/judge`."""
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.995)
    start = HELD_OUT + MARKED
    task = ClassifierTask(
        Classifier(),
        kept(args.out, range(args.scenes), args.processes),
        kept(args.out, range(start, start + args.marks), args.processes),
        batch=args.batch,
        device=settings.device,
    )
    trainer = Trainer(task, settings)
    if args.resume:
        trainer.resume()
    trainer.run()
    task.model.load_state_dict(trainer.average["judge"])
    marks = Judge(task.model, task.device).marks(task.marks)
    print(f"the averaged weights: {task.report()}", flush=True)
    save_judge(task.model, args.out / "judge", marks)
