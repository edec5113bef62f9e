"""`lora`: a small file that teaches an existing model a style or an edit."""

import argparse

import torch

from inference.errors import RequestError
from inference.loras import MAX_NAME, is_name
from inference.model_info import describe
from inference.training.base_model import SD, SDXL, find_folder, load_pipeline
from inference.training.commands import options, pair_options
from inference.training.loop import Trainer, auto_device
from inference.training.lora import check_model, usual_rate
from inference.training.lora_sheets import LoraSheets
from inference.training.noising import Noising

HELP = "a LoRA of a Stable Diffusion-type model, from your own pairs or pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_loop(parser, steps=1000)
    parser.set_defaults(learning_rate=None)
    options.add_autocast(parser)
    parser.add_argument(
        "--model", default="pocket", help="the model to adapt: a catalogue name or a folder"
    )
    pair_options.add_pairs(parser, required=True, batch=4)
    parser.add_argument("--rank", type=int, default=8, help="of the added matrices")
    parser.add_argument(
        "--alpha", type=int, help="what is added is scaled by alpha / rank; default: rank"
    )
    parser.add_argument(
        "--sources", type=float, default=0.65, help="share of examples that start from their input"
    )
    parser.add_argument("--name", help="the file's name without its ending; default: of --out")
    parser.add_argument(
        "--recompute", action="store_true", help="take half the memory and a third more time"
    )


def run(args: argparse.Namespace) -> None:
    """Trains and writes `out/NAME.safetensors`.

    Raises InferenceError for pairs, a model or an option that cannot be used, before anything is
    trained.
    """
    name = _checked_name(args)
    folder = find_folder(args.model)
    torch.manual_seed(args.seed)
    device = auto_device(args.device)
    autocast = args.autocast == "bf16"
    # On a GPU the frozen weights may be rounded too; that halves the memory.
    rounded = autocast and device.startswith("cuda")
    pipe = load_pipeline(folder, SD | SDXL, torch.bfloat16 if rounded else torch.float32)
    check_model(pipe)
    if args.learning_rate is None:
        args.learning_rate = usual_rate(pipe.unet.num_parameters())
    settings = options.settings_from(args, 0.99)
    found = pair_options.pairs_from(args, pipe.vae_scale_factor, inputs_needed=False)
    noising = Noising(pipe.scheduler.config)
    task = LoraSheets(
        pipe,
        found.training,
        noising,
        rank=args.rank,
        alpha=args.rank if args.alpha is None else args.alpha,
        batch=args.batch,
        sources=args.sources,
        device=device,
        autocast=autocast,
    )
    if args.recompute:
        pipe.unet.enable_gradient_checkpointing()
        pipe.unet.train()
    trainer = Trainer(task, settings, noising.described)
    if args.resume:
        trainer.resume()
    info = describe(folder)
    task.watch(found.shown, info.default_guidance, trainer.average)
    trainer.run()
    path = args.out / f"{name}.safetensors"
    task.export(path, title=name, base=info.id)
    print(f"{path} is ready; put it into PALIMPSEST_HOME/models/loras.")


def _checked_name(args: argparse.Namespace) -> str:
    """The file's name. Raises RequestError for an option out of range."""
    name = args.name or args.out.absolute().name
    if not is_name(name):
        raise RequestError(
            f"--name is {name}; it needs 1 to {MAX_NAME} characters, none of them < > : / or \\."
        )
    options.check_at_least("--rank", args.rank, 1)
    if args.alpha is not None:
        options.check_at_least("--alpha", args.alpha, 1)
    if not 0 <= args.sources <= 1:
        raise RequestError(f"--sources is {args.sources:g}; it must be 0 to 1.")
    return str(name)
