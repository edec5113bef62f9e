"""What made a picture, written into files and read from them."""

import io
import json
import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from inference.encoding import encode_for_upload
from inference.errors import PictureError
from inference.options import Denoise
from inference.provenance import Provenance, provenance_of
from inference.request import Recipe
from inference.result import GeneratedImage, GenerationResult
from inference.stamps import OWN, stamped, without_text
from inference.texts import read_texts

RECIPE = Recipe(
    prompt="a lighthouse in fog, 灯台",
    negative_prompt="people",
    strength=0.55,
    steps=12,
    guidance=3.5,
    seed=41,
    count=2,
    scheduler="euler-a",
)
OURS = Provenance(
    program="Palimpsest",
    prompt=RECIPE.prompt,
    negative_prompt="people",
    seed=42,
    steps=12,
    guidance=3.5,
    strength=0.55,
    sampler="euler-a",
    model="pocket",
    size="48x32",
)
A1111 = (
    "a castle, <lora:ink:0.8>\nat night\nNegative prompt: blurry, (ugly:1.2)\n"
    "Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 2734, Size: 512x768, "
    'Model hash: 6ce0161689, Model: v1-5, Denoising strength: 0.45, Lora hashes: "ink: aa, b: c"'
)
COMFY = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": ["9", 0],
            "steps": 25,
            "cfg": 7.0,
            "sampler_name": "euler_ancestral",
            "scheduler": "normal",
            "denoise": 0.6,
            "model": ["8", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dream.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red fox", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text", "clip": ["4", 1]}},
    "8": {"class_type": "LoraLoader", "inputs": {"model": ["4", 0]}},
    "9": {"class_type": "PrimitiveInt", "inputs": {"value": 77}},
}
INVOKE = {
    "positive_prompt": "a boat",
    "negative_prompt": "",
    "seed": 5,
    "steps": 30,
    "cfg_scale": 7.5,
    "scheduler": "dpmpp_2m_k",
    "strength": 0.7,
    "width": 640,
    "height": 512,
    "model": {"name": "Juggernaut XL"},
}


def made(width: int = 48, height: int = 32) -> tuple[GeneratedImage, GenerationResult]:
    buffer = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(buffer, "PNG")
    image = GeneratedImage(data=buffer.getvalue(), width=width, height=height, seed=42)
    result = GenerationResult(
        images=(image,),
        model="pocket",
        revision="0123456789abcdef",
        scheduler="EulerAncestralDiscreteScheduler",
        steps_run=6,
        seconds=1.0,
        versions={"torch": "2"},
    )
    return image, result


def png_with(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def read_provenance(data: bytes) -> Provenance | None:
    return provenance_of(read_texts(data))


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB").tobytes()


def test_our_own_picture_says_everything() -> None:
    image, result = made()
    data = stamped(image, RECIPE, result)
    assert pixels(data) == pixels(image.data)
    found = read_provenance(data)
    assert found is not None
    assert found == OURS
    assert found.scheduler == "euler-a"


def test_pillow_reads_both_texts() -> None:
    image, result = made()
    with Image.open(io.BytesIO(stamped(image, RECIPE, result))) as picture:
        assert isinstance(picture, PngImagePlugin.PngImageFile)
        assert picture.text["parameters"].startswith("a lighthouse in fog, 灯台\nNegative prompt:")
        own = json.loads(picture.text["palimpsest"])
    assert own["revision"] == result.revision


def test_what_no_model_painted_does_not_pretend_that_one_did() -> None:
    image, result = made()
    recipe = Recipe(prompt="", task="denoise", options=Denoise())
    assert list(read_texts(stamped(image, recipe, result))) == [OWN]


def test_the_same_picture_again_has_the_same_bytes() -> None:
    image, result = made()
    assert stamped(image, RECIPE, result) == stamped(image, RECIPE, result)


def test_a_stamp_replaces_another_and_can_be_taken_off() -> None:
    image, result = made()
    once = stamped(image, RECIPE, result)
    again = GeneratedImage(data=once, width=48, height=32, seed=42)
    assert stamped(again, RECIPE, result) == once
    assert without_text(once) == image.data


@pytest.mark.parametrize("share", [0.9, 0.3, 0.08])
def test_what_is_sent_as_webp_or_jpeg_says_it_too(share: float) -> None:
    image, result = made(256, 256)
    data = stamped(image, RECIPE, result)
    encoded = encode_for_upload(data, int(len(data) * share))
    assert encoded.extension != "png"
    assert read_provenance(encoded.data) == replace(OURS, size="256x256")


def test_automatic1111() -> None:
    assert read_provenance(png_with(parameters=A1111)) == Provenance(
        program="AUTOMATIC1111",
        prompt="a castle, <lora:ink:0.8>\nat night",
        negative_prompt="blurry, (ugly:1.2)",
        seed=2734,
        steps=28,
        guidance=6.5,
        strength=0.45,
        sampler="DPM++ 2M Karras",
        model="v1-5",
        size="512x768",
    )


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
def test_automatic1111_in_a_jpeg(encoding: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + A1111.encode(encoding)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif)
    found = read_provenance(buffer.getvalue())
    assert found is not None
    assert (found.seed, found.scheduler) == (2734, "dpm++2m-karras")


def test_comfyui() -> None:
    assert read_provenance(png_with(prompt=json.dumps(COMFY))) == Provenance(
        program="ComfyUI",
        prompt="a red fox",
        negative_prompt="text",
        seed=77,
        steps=25,
        guidance=7.0,
        strength=0.6,
        sampler="euler_ancestral normal",
        model="dream.safetensors",
    )


def test_comfyui_in_a_webp() -> None:
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(COMFY)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "WEBP", exif=exif)
    found = read_provenance(buffer.getvalue())
    assert found is not None
    assert (found.program, found.scheduler) == ("ComfyUI", "euler-a")


def test_invokeai() -> None:
    assert read_provenance(png_with(invokeai_metadata=json.dumps(INVOKE))) == Provenance(
        program="InvokeAI",
        prompt="a boat",
        seed=5,
        steps=30,
        guidance=7.5,
        strength=0.7,
        sampler="dpmpp_2m_k",
        model="Juggernaut XL",
        size="640x512",
    )


@pytest.mark.parametrize(
    ("sampler", "name"),
    [
        ("Euler a", "euler-a"),
        ("Euler", "euler"),
        ("DPM++ 2M", "dpm++2m"),
        ("dpmpp_2m karras", "dpm++2m-karras"),
        ("DDIM", "ddim"),
        ("uni_pc normal", "unipc"),
        ("LCM", "lcm"),
        ("Heun", None),
        ("", None),
    ],
)
def test_samplers_by_any_name(sampler: str, name: str | None) -> None:
    assert Provenance(program="", sampler=sampler).scheduler == name


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"parameters": "just a text"},
        {"palimpsest": "{"},
        {"palimpsest": '{"recipe": {"prompt": 5, "steps": "many"}}'},
        {"palimpsest": '{"recipe": []}'},
        {"prompt": "[" * 100_000},
        {"prompt": '{"1": {"inputs": {"steps": 1, "positive": ["1", 0]}}}'},
        {"invokeai_metadata": "7"},
    ],
)
def test_nothing_that_can_be_used(texts: dict[str, str]) -> None:
    assert read_provenance(png_with(**texts)) is None


def test_a_graph_that_runs_in_circles() -> None:
    inputs: dict[str, Any] = {"steps": ["1", 0], "positive": ["1", 0], "negative": ["1", 0]}
    found = read_provenance(png_with(prompt=json.dumps({"1": {"inputs": inputs}})))
    assert found is not None
    assert (found.prompt, found.steps) == ("", None)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    for data in (b"", b"GIF8", b"\x89PNG\r\n\x1a\nrubbish", png_with(parameters=A1111)[:40]):
        with pytest.raises(PictureError):
            read_provenance(data)


LIES: list[Any] = [None, True, -1, 1.5, 1e400, "x", "7", [], ["1", 0], {}, {"name": 3}, 10**30]
KINDS: dict[str, Any] = {
    "seed": int | None,
    "steps": int | None,
    "guidance": float | None,
    "strength": float | None,
}
"""Of the fields that are no text."""


def test_lies_of_every_kind_are_survived() -> None:
    numbers = random.Random(3)
    for _ in range(300):
        invoke = {key: numbers.choice(LIES) for key in INVOKE}
        node = {key: numbers.choice(LIES) for key in COMFY["3"]["inputs"]}  # type: ignore[call-overload]
        graph = {"1": {"inputs": node}, "2": numbers.choice(LIES)}
        for texts in ({"invokeai_metadata": json.dumps(invoke)}, {"prompt": json.dumps(graph)}):
            check_kinds(read_provenance(png_with(**texts)))


@pytest.mark.parametrize("key", [*json.loads(RECIPE.to_json()), "options", "nonsense"])
def test_lies_in_our_own_form_are_survived(key: str) -> None:
    recipe = json.loads(RECIPE.to_json())
    for lie in [*LIES, [{"name": "ink", "weight": []}]]:
        own = {"recipe": recipe | {key: lie}, "size": lie, "scheduler": lie}
        check_kinds(provenance_of({"palimpsest": json.dumps(own)}))


def test_half_a_character_cannot_get_in() -> None:
    """It could not be written to the database, nor what is written together with it."""
    own = json.dumps({"recipe": json.loads(RECIPE.to_json()) | {"prompt": "a \ud83d cat"}})
    invoke = json.dumps(INVOKE | {"positive_prompt": "a \ud83d cat"})
    for texts in ({"palimpsest": own}, {"invokeai_metadata": invoke}):
        found = provenance_of(texts)
        assert found is not None
        assert found.prompt == "a ? cat"


def check_kinds(found: Provenance | None) -> None:
    if found is not None:
        for name, value in asdict(found).items():
            assert isinstance(value, KINDS.get(name, str))
        assert found.scheduler is None or found.sampler
