"""What a member typed, and the recipe that it makes with a policy's defaults or a parent's."""

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.errors import Gone, Refused, UserError
from bot.model import GuildPolicy
from inference.errors import RequestError
from inference.limits import SIDE_MULTIPLE
from inference.loras import LoraUse, check_no_tag, take_loras
from inference.model_info import DEFAULT_STEPS, ModelInfo
from inference.options import MOST_SIGMA, OPTIONS, Inpaint, TaskOptions, Upscale, Variations
from inference.presets import Preset
from inference.request import (
    LADDER,
    MAX_SEED,
    STRENGTH_BANDS,
    TASK_STRENGTHS,
    Recipe,
)
from inference.sizes import multiple_size
from inference.tasks.edit import no_strength

STRENGTH_STEP = 0.1

VARIED = 4
"""How many variations are made at once, where the guild allows as many."""

_OPTIONS = ("negative_prompt", "strength", "steps", "guidance", "count", "scheduler")


def allowed_strength(wanted: float, policy: GuildPolicy) -> float:
    """The nearest that the guild allows, for a strength that no member asked for."""
    return min(max(wanted, policy.min_strength), policy.max_strength)


def brush_strength(policy: GuildPolicy) -> float:
    """What a form says for a result that was painted over."""
    return allowed_strength(TASK_STRENGTHS["inpaint"], policy)


def _usual_strength(wish: "Wish", model: ModelInfo, policy: GuildPolicy) -> float:
    """What suits the task and the model, else the preset's, else the guild's own.

    As far as the guild allows it, where it means anything.
    """
    if model.follows_instructions:
        return 1.0
    known = (model.strength_for(wish.task), wish.preset_strength, policy.default_strength)
    usual = next(strength for strength in known if strength is not None)
    if not OPTIONS.get(wish.task, TaskOptions).has_strength:
        return usual
    return allowed_strength(usual, policy)


def new_seed() -> int:
    """A seed that nobody can guess, 0…MAX_SEED."""
    return secrets.randbelow(MAX_SEED + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """Options as a member gave them; None where nothing was given. Ranges are Recipe's.

    A missing seed always means a new one. shape: width to height, for a picture over nothing.
    loras: beside those that tags in the prompt name. ladder: whether strength is left open.
    options: what the task alone knows. preset_strength: what a preset says, which is nobody's wish.
    """

    prompt: str
    negative_prompt: str | None = None
    strength: float | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    count: int | None = None
    scheduler: str | None = None
    shape: tuple[int, int] | None = None
    loras: tuple[LoraUse, ...] = ()
    ladder: bool = False
    task: str = "img2img"
    match_colours: bool = False
    options: TaskOptions | None = None
    preset_strength: float | None = None

    def styled(self, preset: Preset) -> "Wish":
        """With the preset's words; its numbers where none were given. Raises RequestError.

        Its strength only where the task has none of its own, and as far as the guild allows it.
        """
        return replace(
            self,
            prompt=preset.around(self.prompt),
            negative_prompt=preset.without(self.negative_prompt or ""),
            preset_strength=preset.strength,
            guidance=preset.guidance if self.guidance is None else self.guidance,
        )

    def fresh(self, policy: GuildPolicy, model: ModelInfo) -> Recipe:
        """A recipe of its own, missing values from the guild's policy and what suits the model.

        The model's own number of steps wins only where it needs fewer than usual (distilled
        models). Raises RequestError.
        """
        distilled = model.default_steps < DEFAULT_STEPS
        defaults = Recipe(
            prompt="",
            task=self.task,
            options=self.options,
            match_colours=self.match_colours,
            strength=_usual_strength(self, model, policy),
            steps=model.default_steps if distilled else policy.default_steps,
            guidance=model.default_guidance,
            count=policy.default_count,
            scheduler=model.default_scheduler,
            model=model.id,
            graded=not model.follows_instructions,
        )
        if self.shape is not None:
            width, height = multiple_size(*self.shape, model.pixel_budget, SIDE_MULTIPLE)
            defaults = defaults.change(width=width, height=height)
        recipe = self.over(defaults, prefilled=policy.default_strength)
        return laddered(recipe, policy) if self.ladder else recipe

    def over(self, parent: Recipe, *, prefilled: float | None = None) -> Recipe:
        """A child's recipe, missing values from its parent. Raises RequestError.

        Not so its LoRAs: forms show them as tags in the prompt, and whoever takes a tag out means
        it.
        prefilled: the strength that a form says by itself, which nobody may have chosen.
        """
        given = {name: value for name in _OPTIONS if (value := getattr(self, name)) is not None}
        if self.strength and not parent.graded:  # 0, the source, is for every model
            if self.strength not in (prefilled, 1):
                raise RequestError(no_strength(f"The model “{parent.model}”", self.strength))
            given["strength"] = 1.0
        seed = new_seed() if self.seed is None else self.seed
        prompt, tagged = take_loras(self.prompt)
        check_no_tag(self.negative_prompt or "", where="negative prompt")
        return parent.change(prompt=prompt, seed=seed, loras=(*self.loras, *tagged), **given)


def repeated(recipe: Recipe, _policy: GuildPolicy) -> Recipe:
    """The same, seed included."""
    return recipe


def rerolled(recipe: Recipe, _policy: GuildPolicy) -> Recipe:
    """The same with a new seed; variations of the same picture, but other ones."""
    if isinstance(recipe.options, Variations):
        later = recipe.options.single(recipe.count)
        return recipe.change(options=later)
    return recipe.change(seed=new_seed())


def laddered(recipe: Recipe, policy: GuildPolicy) -> Recipe:
    """The same, seed included, at each of a ladder's strengths that the guild allows.

    Raises Refused where it allows none, and for a model that has none.
    """
    if not recipe.graded:
        raise Refused(
            f"The model “{recipe.model}” edits as the prompt says and has no strength, so there is "
            "no ladder of it; choose another model, or use /edit."
        )
    low, high = policy.min_strength, policy.max_strength
    strengths = tuple(strength for strength in LADDER if low <= strength <= high)
    if not strengths:
        raise Refused(
            f"On this server strength is {low:g} to {high:g}, and a ladder has no step there; "
            "use /reimagine."
        )
    return recipe.change(strengths=strengths)


def rung(index: int) -> Callable[[Recipe, GuildPolicy], Recipe]:
    """A ladder's picture `index` (0-based) by itself."""

    def alone(recipe: Recipe, _policy: GuildPolicy) -> Recipe:
        if index >= len(recipe.strengths):
            raise Gone("That ladder has no such step.")
        return recipe.single(index)

    return alone


def upscaled(recipe: Recipe, _policy: GuildPolicy) -> Recipe:
    """What makes a picture of the recipe's twice as large, without a word to any model."""
    return Recipe(
        prompt="", task="upscale", options=Upscale(), seed=recipe.seed, model=recipe.model
    )


def inpainted(wish: Wish) -> Callable[[Recipe, GuildPolicy], Recipe]:
    """What is wished for, painted within a mask of the picture that is gone on from."""

    def within(recipe: Recipe, policy: GuildPolicy) -> Recipe:
        plain = recipe.change(strengths=(), width=None, height=None, match_colours=False)
        usual = brush_strength(policy)
        strength = usual if recipe.graded else 1.0
        masked = plain.change(task="inpaint", options=Inpaint(), strength=strength)
        return wish.over(masked, prefilled=usual)

    return within


def varied(index: int) -> Callable[[Recipe, GuildPolicy], Recipe]:
    """Pictures near picture `index` (0-based): over the same source, with its strength and seed."""

    def near(recipe: Recipe, policy: GuildPolicy) -> Recipe:
        count = min(VARIED, policy.max_count)
        return recipe.single(index).change(task="variations", options=Variations(), count=count)

    return near


def weaker(recipe: Recipe, policy: GuildPolicy) -> Recipe:
    """The same, seed included, with the strength a step lower. Raises Refused."""
    return _stepped(recipe, -STRENGTH_STEP, policy.min_strength, "least")


def stronger(recipe: Recipe, policy: GuildPolicy) -> Recipe:
    """The same, seed included, with the strength a step higher. Raises Refused."""
    return _stepped(recipe, STRENGTH_STEP, policy.max_strength, "most")


def _stepped(recipe: Recipe, step: float, limit: float, word: str) -> Recipe:
    """Nothing is clamped: a step that does not fit is refused."""
    strength = round(recipe.strength + step, 4)
    beyond = strength > limit if step > 0 else strength < limit
    if not beyond:
        return recipe.change(strength=strength)
    if math.isclose(recipe.strength, limit):
        raise Refused(f"Strength is already {limit:g}, the {word} allowed here.")
    raise Refused(
        f"From {recipe.strength:g} a step of {abs(step):g} goes beyond {limit:g}, the {word} "
        f"allowed here; ✏️ can set {limit:g} itself."
    )


def parse_strength(text: str) -> float | None:
    """A number as people type it (``0.6``, ``0,6``, ``60%``) or a band's name; None if empty.

    Raises UserError. The range is checked by Recipe and by the policy.
    """
    typed = text.strip().lower()
    if not typed:
        return None
    if typed in STRENGTH_BANDS:
        return STRENGTH_BANDS[typed]
    percent = typed.endswith("%")
    try:
        value = float(typed.removesuffix("%").replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(
            f"Strength “{_short(text)}” is neither a number from 0 to 1 nor one of: "
            f"{', '.join(STRENGTH_BANDS)}."
        )
    return value / 100 if percent else value


def parse_amount(text: str) -> float | None:
    """The strength of noise, a number as people type it; None for “auto”. Raises UserError."""
    typed = text.strip().lower().replace(",", ".")
    if typed == "auto":
        return None
    try:
        return float(typed)
    except ValueError:
        raise UserError(
            f"The amount “{_short(text)}” is neither “auto” nor a number from 0 to {MOST_SIGMA:g}."
        ) from None


def parse_whole(name: str, text: str) -> int | None:
    """A whole number; None if empty. Raises UserError. Ranges are checked by Recipe."""
    typed = text.strip()
    if not typed:
        return None
    if not typed.removeprefix("-").isdecimal() or len(typed) > 20:
        raise UserError(f"{name.capitalize()} “{_short(text)}” is not a whole number.")
    return int(typed)


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"
