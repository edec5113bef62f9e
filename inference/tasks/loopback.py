"""The result becomes the source again, several times, with falling strength."""

from inference.model_info import ModelInfo
from inference.options import Loopback
from inference.request import GenerationRequest
from inference.tasks.files import as_png, finished, opened
from inference.tasks.frame import Frame
from inference.tasks.match import matched
from inference.tasks.programs import Product, Program, Round

FALL = 0.85
"""Each round's strength, as a share of the one before: what is found early is only refined."""


def strengths(request: GenerationRequest) -> list[float]:
    """Of each round."""
    assert isinstance(request.options, Loopback)
    return [round(request.strength * FALL**turn, 4) for turn in range(request.options.times)]


def loopback(request: GenerationRequest, info: ModelInfo) -> Program:
    """Each picture's colours are drawn back to the first source's after every round."""
    assert request.image is not None
    source = opened(request.image).convert("RGB")
    frame = Frame.of(request, source, info)
    anchor = frame.fitted(source)
    image = as_png(frame.padded(anchor))
    falling = strengths(request)
    plain = request.change(task="img2img", options=None, match_colours=False)
    turns = [frame.request(plain.single(index), image) for index in range(plain.count)]
    for number, strength in enumerate(falling):
        turns = [turn.change(strength=strength) for turn in turns]
        later = [turn.change(strength=later) for turn in turns for later in falling[number + 1 :]]
        results = yield Round(requests=turns, more=sum(turn.steps_run for turn in later))
        painted = [frame.cropped(opened(result.images[0].data)) for result in results]
        painted = [matched(picture, anchor) for picture in painted]
        turns = [
            turn.change(image=as_png(frame.padded(picture)))
            for turn, picture in zip(turns, painted, strict=True)
        ]
    pictures = (finished(picture, turn.seed) for turn, picture in zip(turns, painted, strict=True))
    return Product(images=tuple(pictures))
