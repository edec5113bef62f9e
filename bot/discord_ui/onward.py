"""How one goes on from a result, and which of its buttons could only refuse to."""

from collections.abc import Callable
from dataclasses import replace

from bot.discord_ui.buttons import Action
from bot.discord_ui.next_steps import next_steps
from bot.discord_ui.wish import Wish, inpainted, laddered, varied
from bot.errors import Refused
from bot.model import GuildPolicy, Job
from inference.catalog import Catalog
from inference.errors import RequestError
from inference.model_info import PIX2PIX, ModelInfo
from inference.request import Recipe

Change = Callable[[Recipe, GuildPolicy], Recipe]
"""Makes a child's recipe from its parent's. May raise UserError or RequestError."""


class Onward:
    """Asks the catalogue what the models can do. Every method reads files.

    default_model: goes on where a picture's own model cannot.
    """

    def __init__(self, *, catalog: Catalog, default_model: str) -> None:
        self._catalog = catalog
        self._default_model = default_model

    def recipe(self, recipe: Recipe, policy: GuildPolicy, *, result: int, painted: bool) -> Recipe:
        """What goes on from a picture is plain image-to-image, with a model that can do that.

        From an edited one it is the next instruction, but from one that was edited within a mask
        the usual model goes on, as it does for one that is not offered any more. What was only
        calculated says nothing of how to paint.

        result: which of the recipe's pictures. painted: only within a mask, which is the usual
        model's too.
        """
        recipe = recipe.single(result) if recipe.strengths else recipe
        model = self._offered(recipe.model)
        if model is not None and recipe.task in ("img2img", "edit") and not painted:
            return recipe if recipe.graded else recipe.change(strength=1.0)
        wish = Wish(prompt=recipe.prompt, negative_prompt=recipe.negative_prompt)
        if model is None and recipe.task == "edit" and not painted:
            editor = self._catalog.editor() or self._default_model
            told = replace(wish, task="edit", options=recipe.options)
            return told.fresh(policy, self._catalog.find(editor))
        if model is None or model.architecture == PIX2PIX or model.follows_instructions:
            return wish.fresh(policy, self._catalog.find(self._default_model))
        if not recipe.paints:
            return wish.fresh(policy, model)
        # How many variations are made is nobody's choice.
        count = 1 if recipe.task == "variations" else recipe.count
        strength = policy.default_strength
        return recipe.change(task="img2img", options=None, count=count, strength=strength)

    def refused(self, job: Job, policy: GuildPolicy) -> frozenset[Action]:
        """The buttons below the job's pictures that could only refuse, as the policy is now.

        What each would ask for is put to the catalogue as it is when the button is pressed.
        """
        offered = {action for row in next_steps(job) for action in row}
        asked: dict[Action, Change] = {
            Action.VARIATIONS: varied(0),
            Action.LADDER: laddered,
            Action.PAINT: self._painted,
        }
        return frozenset(
            action
            for action, change in asked.items()
            if action in offered and not self._can(job.recipe, change, policy)
        )

    def _can(self, recipe: Recipe, change: Change, policy: GuildPolicy) -> bool:
        try:
            self._catalog.check(change(recipe, policy))
        except (Refused, RequestError):
            return False
        return True

    def _painted(self, recipe: Recipe, policy: GuildPolicy) -> Recipe:
        """What 🖌️ leads to where the form is sent as it opens."""
        within = inpainted(Wish(prompt=recipe.prompt))
        return within(self.recipe(recipe, policy, result=0, painted=True), policy)

    def _offered(self, name: str) -> ModelInfo | None:
        """The model, or None where the owner does not offer it any more."""
        try:
            return self._catalog.find(name)
        except RequestError:
            return None
