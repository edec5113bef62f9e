"""LoRAs in memory: what is kept, what is refused, and that layers change by what the file says."""

import gc
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.errors import RequestError
from inference.families.adapters import Adapters
from inference.families.lora_set import NO_LORAS
from inference.families.lora_weights import LoraPair
from inference.loras import LoraUse
from inference.model_info import ModelInfo, describe
from inference.shelf import Shelf
from tests import tiny, tiny_adapters

ATTENTION = re.compile(r"attn1\.to_q$")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.sd(tmp_path_factory.mktemp("models") / "pocket")


@pytest.fixture(scope="module")
def networks(folder: Path) -> dict[str, Any]:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    return {
        "unet": UNet2DConditionModel.from_pretrained(folder / "unet").eval(),
        "text_encoder": CLIPTextModel.from_pretrained(folder / "text_encoder").eval(),
    }


@pytest.fixture
def home(tmp_path: Path, folder: Path) -> Path:
    for number in range(5):
        path = tmp_path / f"loras/l{number}.safetensors"
        tiny_adapters.lora(path, folder, seed=number, wanted=ATTENTION)
    return tmp_path


def adapters(networks: dict[str, Any], home: Path, folder: Path, *, kept: int = 2) -> Adapters:
    return Adapters(networks, Shelf(home), describe(folder), kept=kept)


def use(*names: str, weight: float = 1.0) -> tuple[LoraUse, ...]:
    return tuple(LoraUse(name=name, weight=weight) for name in names)


def predicted(networks: dict[str, Any], text: torch.Tensor | None = None) -> torch.Tensor:
    numbers = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 8, 8, generator=numbers)
    text = torch.randn(1, 7, 32, generator=numbers) if text is None else text
    with torch.inference_mode():
        return networks["unet"](latents, torch.tensor([500]), encoder_hidden_states=text).sample


def hooks(networks: dict[str, Any]) -> int:
    modules = (module for network in networks.values() for module in network.modules())
    return sum(len(module._forward_hooks) for module in modules)


def in_memory() -> int:
    """Layers' worth of matrices, of whatever LoRA."""
    gc.collect()
    return sum(type(thing) is LoraPair for thing in gc.get_objects())


def refusal(adapters: Adapters, *names: str) -> str:
    with pytest.raises(RequestError) as caught:
        adapters.choose(use(*names))
    return str(caught.value)


def test_the_ones_used_last_stay_and_the_others_really_go(
    networks: dict[str, Any], home: Path, folder: Path
) -> None:
    some = adapters(networks, home, folder)
    for names in (["l0"], ["l1"], ["l0"], ["l2"]):
        some.choose(use(*names))
    assert some.loaded == ["l0", "l2"]
    layers = in_memory() / 2
    some.choose(use("l3", "l4"))
    assert some.loaded == ["l3", "l4"]
    some.choose(use("l1"))
    assert in_memory() == 2 * layers


def test_what_a_request_in_flight_needs_stays_beyond_the_limit(
    networks: dict[str, Any], home: Path, folder: Path
) -> None:
    some = adapters(networks, home, folder)
    before = predicted(networks)
    held = some.choose(use("l0", "l1"))
    some.use_for_denoising(held)
    changed = predicted(networks)
    some.choose(use("l2"))
    assert some.loaded == ["l0", "l1", "l2"]
    some.use_for_denoising(NO_LORAS)
    assert torch.equal(predicted(networks), before)
    some.use_for_denoising(held)
    assert torch.equal(predicted(networks), changed)
    some.use_for_denoising(NO_LORAS)
    del held
    some.choose(use("l3"))
    assert some.loaded == ["l2", "l3"]


def test_one_that_is_in_force_when_it_goes_leaves_no_trace(
    networks: dict[str, Any], home: Path, folder: Path
) -> None:
    some = adapters(networks, home, folder, kept=1)
    before = predicted(networks)
    some.use_for_denoising(some.choose(use("l0")))
    assert hooks(networks) > 0
    some.choose(use("l1"))
    assert hooks(networks) == 0
    assert torch.equal(predicted(networks), before)


def test_the_same_mix_is_the_same_object_and_weight_0_is_none(
    networks: dict[str, Any], home: Path, folder: Path
) -> None:
    some = adapters(networks, home, folder)
    first = some.choose(use("l0", weight=0.5))
    assert some.choose(use("l0", weight=0.5)) is first
    assert some.choose(use("l0", weight=0.6)) is not first
    assert some.choose(use("l1", "l2", weight=0)) is NO_LORAS
    assert some.loaded == ["l0"]


@pytest.mark.parametrize("weight", [1.0, -0.7])
def test_layers_change_as_if_the_products_were_added_to_their_weights(
    networks: dict[str, Any], tmp_path: Path, folder: Path, weight: float
) -> None:
    """Also where each layer has a rank and an α of its own, which diffusers 0.42 mixes up."""
    path = tmp_path / "loras/own.safetensors"
    tiny_adapters.lora(path, folder, style="kohya", wanted=re.compile(r"conv|proj|attn|ff"))
    tensors = load_file(path)
    layers = sorted({name.partition(".")[0] for name in tensors})
    for number, layer in enumerate(layers):
        tensors[f"{layer}.alpha"] = torch.tensor(float(1 + number % 5))
    save_file(tensors, path)
    some = adapters(networks, tmp_path, folder)
    some.use_for_denoising(some.choose(use("own", weight=weight)))
    found = predicted(networks)
    some.use_for_denoising(NO_LORAS)

    unet = networks["unet"]
    own = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    merged = dict(own)
    for name, weights in own.items():
        layer = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
        if layer in layers:
            down, up = (tensors[f"{layer}.lora_{end}.weight"] for end in ("down", "up"))
            scale = weight * float(tensors[f"{layer}.alpha"]) / down.shape[0]
            product = up.flatten(1) @ down.flatten(1)
            merged[name] = weights + scale * product.reshape(weights.shape)
    assert sum(not torch.equal(merged[name], own[name]) for name in own) == len(layers)
    unet.load_state_dict(merged)
    expected = predicted(networks)
    unet.load_state_dict(own)
    assert torch.allclose(found, expected, atol=1e-4)
    assert (found - predicted(networks)).abs().max() > 0.1


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({"lora_alpha": 8}, 2.0),
        ({"lora_alpha": 8, "use_rslora": True}, 4.0),
        ({"lora_alpha": 8, "alpha_pattern": {"to_q": 2}}, 0.5),
        ({"lora_alpha": 8, "alpha_pattern": {"to_k": 2}}, 2.0),
    ],
)
def test_what_stands_beside_the_weights_scales_them(
    networks: dict[str, Any],
    tmp_path: Path,
    folder: Path,
    settings: dict[str, Any],
    factor: float,
) -> None:
    metadata = tiny_adapters.peft_metadata("unet", r=4, **settings)
    for name, extra in (("plain", None), ("scaled", metadata)):
        path = tmp_path / f"loras/{name}.safetensors"
        tiny_adapters.lora(path, folder, wanted=ATTENTION, metadata=extra)
    some = adapters(networks, tmp_path, folder)
    some.use_for_denoising(some.choose(use("plain", weight=factor / 4)))
    expected = predicted(networks)
    some.use_for_denoising(some.choose(use("scaled", weight=0.25)))
    assert torch.allclose(predicted(networks), expected, atol=1e-6)
    some.use_for_denoising(NO_LORAS)


def test_every_naming_means_the_same_layers(
    networks: dict[str, Any], tmp_path: Path, folder: Path
) -> None:
    some = adapters(networks, tmp_path, folder)
    pictures = []
    for style in tiny_adapters.STYLES:
        path = tmp_path / f"loras/{style}.safetensors"
        tiny_adapters.lora(path, folder, style=style, wanted=re.compile(r"attn"))
        some.use_for_denoising(some.choose(use(style)))
        pictures.append(predicted(networks))
    some.use_for_denoising(NO_LORAS)
    assert all(torch.equal(picture, pictures[0]) for picture in pictures)
    assert not torch.equal(predicted(networks), pictures[0])


def test_a_linear_layer_s_lora_may_be_written_as_that_of_a_1x1_convolution(
    networks: dict[str, Any], tmp_path: Path, folder: Path
) -> None:
    path = tiny_adapters.lora(tmp_path / "loras/flat.safetensors", folder, wanted=ATTENTION)
    save_file(
        {name: tensor[:, :, None, None].clone() for name, tensor in load_file(path).items()},
        tmp_path / "loras/square.safetensors",
    )
    some = adapters(networks, tmp_path, folder)
    pictures = []
    for name in ("flat", "square"):
        some.use_for_denoising(some.choose(use(name)))
        pictures.append(predicted(networks))
    some.use_for_denoising(NO_LORAS)
    assert torch.equal(*pictures)


def test_one_for_the_text_encoder_alone_changes_how_prompts_are_read(
    networks: dict[str, Any], tmp_path: Path, folder: Path
) -> None:
    path = tmp_path / "loras/words.safetensors"
    tiny_adapters.lora(path, folder, parts=("text_encoder",), style="kohya")
    tiny_adapters.lora(tmp_path / "loras/looks.safetensors", folder, wanted=ATTENTION)
    some = adapters(networks, tmp_path, folder)
    ids = torch.tensor([[512, 5, 6, 513]])
    before = networks["text_encoder"](ids)[0]
    words, looks = some.choose(use("words")), some.choose(use("looks"))
    assert looks.text == ()
    some.use_for_text(words)
    assert not torch.equal(networks["text_encoder"](ids)[0], before)
    some.use_for_text(looks)
    assert torch.equal(networks["text_encoder"](ids)[0], before)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"style": "kohya", "extra": {"lora_unet_x.hada_w1_a": torch.ones(1)}}, "is a LoHa; only"),
        ({"style": "kohya", "extra": {"lora_unet_x.lokr_w1": torch.ones(1)}}, "is a LoKr; only"),
        ({"style": "kohya", "extra": {"lora_unet_x.dora_scale": torch.ones(1)}}, "is a DoRA; only"),
        ({"extra": {"unet.conv_in.diff": torch.ones(1)}}, "also replaces weights; only plain"),
        ({"style": "kohya", "extra": {"lora_unet_x.alpha": torch.ones(2)}}, "strange shape"),
        ({"metadata": {"lora_adapter_metadata": "[1]"}}, "is no JSON object."),
        ({"metadata": {"lora_adapter_metadata": "{"}}, "is no JSON object."),
        ({"metadata": tiny_adapters.peft_metadata("unet", lora_alpha="much")}, "makes no sense"),
        ({"metadata": tiny_adapters.peft_metadata("unet", alpha_pattern={"(": 1})}, "makes no"),
        (
            {"extra": {"unet.x.lora_A.weight": torch.ones(2, 3)}},
            "lacks half of “unet.x”; only plain",
        ),
        (
            {
                "extra": {
                    "unet.no.such.lora_A.weight": torch.ones(2, 3),
                    "unet.no.such.lora_B.weight": torch.ones(3, 2),
                }
            },
            "does not fit the model “pocket” (Stable Diffusion): it has no layer “unet.no.such”",
        ),
        (
            {
                "extra": {
                    "unet.conv_norm_out.lora_A.weight": torch.ones(2, 32),
                    "unet.conv_norm_out.lora_B.weight": torch.ones(32, 2),
                }
            },
            "its “conv_norm_out” is no layer that a LoRA can change",
        ),
        (
            {
                "extra": {
                    "transformer.a.lora_A.weight": torch.ones(2, 3),
                    "transformer.a.lora_B.weight": torch.ones(3, 2),
                }
            },
            "it has no layer “transformer.a”",
        ),
        (
            {
                "extra": {
                    "unet.conv_in.lora_A.weight": torch.ones(2, 4, 1, 1),
                    "unet.conv_in.lora_B.weight": torch.ones(32, 2, 1, 1),
                }
            },
            "there “conv_in” is 32×4×3×3, in it 32×4×1×1",
        ),
    ],
)
def test_what_is_no_plain_lora_or_does_not_fit_is_refused_as_a_whole(
    networks: dict[str, Any], tmp_path: Path, folder: Path, change: dict[str, Any], says: str
) -> None:
    tiny_adapters.lora(tmp_path / "loras/odd.safetensors", folder, wanted=ATTENTION, **change)
    some = adapters(networks, tmp_path, folder)
    text = refusal(some, "odd")
    assert "“odd”" in text
    assert says in text
    assert some.loaded == []


def test_one_for_another_base_is_refused_with_both_names(
    networks: dict[str, Any], tmp_path: Path, folder: Path
) -> None:
    xl = tiny.sdxl(tmp_path / "xl")
    parts = ("unet", "text_encoder_2")
    tiny_adapters.lora(tmp_path / "loras/ink.safetensors", xl, parts=parts, style="kohya")
    assert refusal(adapters(networks, tmp_path, folder), "ink") == (
        "The LoRA “ink” was made for SDXL; the model “pocket” is Stable Diffusion."
    )


def test_one_for_a_wider_model_of_the_same_kind_is_refused_by_its_shapes(
    networks: dict[str, Any], tmp_path: Path, folder: Path
) -> None:
    wide = tiny.sd(tmp_path / "wide", channels=(32, 96))
    tiny_adapters.lora(tmp_path / "loras/ink.safetensors", wide)
    text = refusal(adapters(networks, tmp_path, folder), "ink")
    assert text.startswith("The LoRA “ink” does not fit the model “pocket” (Stable Diffusion): ")
    assert "is 64×64×1×1, in it 96×96×1×1." in text


def test_a_file_that_ends_early_is_named(
    networks: dict[str, Any], home: Path, folder: Path
) -> None:
    path = home / "loras/l0.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    text = refusal(adapters(networks, home, folder), "l1", "l0")
    assert text.startswith("The LoRA “l0” is damaged: it has ")


def test_an_unknown_name_is_refused_with_the_nearest(
    networks: dict[str, Any], home: Path, folder: Path
) -> None:
    text = refusal(adapters(networks, home, folder), "l9")
    assert text.startswith("There is no LoRA “l9”; the nearest is “l")


def test_even_at_weight_0_it_must_exist(networks: dict[str, Any], home: Path, folder: Path) -> None:
    with pytest.raises(RequestError, match="no LoRA “ink”"):
        adapters(networks, home, folder).choose(use("ink", weight=0))


def test_model_names_come_from_the_catalogue(
    networks: dict[str, Any], home: Path, folder: Path
) -> None:
    info = ModelInfo(id="big", title="Big", location=str(folder), architecture="SDXL")
    some = Adapters(networks, Shelf(home), info)
    tiny_adapters.lora(
        home / "loras/ink.safetensors",
        folder,
        metadata={"ss_base_model_version": "sd_v1"},
        wanted=ATTENTION,
    )
    with pytest.raises(
        RequestError, match="“ink” was made for Stable Diffusion 1; the model “big”"
    ):
        some.choose(use("ink"))
