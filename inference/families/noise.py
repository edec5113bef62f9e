"""The noise that a picture begins with."""

import torch
from torch import Tensor

from inference.families.latents import draw_noise
from inference.families.sending import send
from inference.options import Variations
from inference.request import MAX_SEED, GenerationRequest


def first_noise(
    request: GenerationRequest,
    shape: tuple[int, int, int],
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    """[1, *shape], fp32, for a request of one picture: the generator's next draw.

    A variation's lies on the way from there to the first draw of another seed; see `Variations`.
    """
    options = request.options
    if not isinstance(options, Variations) or options.spread == 0:
        return draw_noise(shape, generator, device)
    cpu = torch.device("cpu")
    other = torch.Generator().manual_seed((request.seed + 1 + options.index) % (MAX_SEED + 1))
    near, far = draw_noise(shape, generator, cpu), draw_noise(shape, other, cpu)
    return send(slerp(near, far, options.spread), device)


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """The point that lies `share`, 0…1, of the way along the arc between two tensors of a shape.

    Shoemake, Animating Rotation with Quaternion Curves (1985), section 3.3. Unlike a straight
    line, between two draws of Gaussian noise the arc keeps their length.
    """
    cosine = torch.sum(start * end) / (start.norm() * end.norm())
    angle = torch.arccos(cosine.clamp(-1.0, 1.0))
    if angle < 2e-3:  # the same draw, as exactly as fp32 can tell: there is no arc
        return start
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / angle.sin()
