"""The owner's adapters, known by their headers."""

import json
import logging
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest

from inference.catalog import Catalog
from inference.errors import RequestError
from inference.loras import LoraUse
from inference.model_info import ModelInfo
from inference.request import Recipe
from inference.shelf import Shelf, check_fit, fits

SD1 = ModelInfo(id="one", title="", location="/none", architecture="Stable Diffusion 1")
Shapes = dict[str, tuple[int, ...]]


def write(path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> Path:
    """A safetensors file of zeros."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    end = 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    return path


def pairs(layers: Iterable[str], inputs: int = 8, ends: tuple[str, str] | None = None) -> Shapes:
    down, up = ends or (".lora_down.weight", ".lora_up.weight")
    return {
        name: shape
        for layer in layers
        for name, shape in ((layer + down, (4, inputs)), (layer + up, (8, 4)))
    }


CROSS = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
NEW = (".lora_A.weight", ".lora_B.weight")
XLABS = (".down.weight", ".up.weight")
OLD = ("_lora.down.weight", "_lora.up.weight")
SPEC = "modelspec.architecture"
NEW_CROSS = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
OLD_CROSS = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_v"


@pytest.mark.parametrize(
    ("shapes", "metadata", "base"),
    [
        (pairs([CROSS], 768), {}, "Stable Diffusion 1"),
        (pairs([CROSS], 1024), {}, "Stable Diffusion 2"),
        (pairs([CROSS], 2048), {}, "SDXL"),
        (pairs([CROSS], 1280), {}, "SDXL refiner"),
        (pairs([NEW_CROSS], 2048, NEW), {}, "SDXL"),
        (pairs([OLD_CROSS], 768, OLD), {}, "Stable Diffusion 1"),
        # What the weights say counts for more than what the trainer wrote.
        (pairs([CROSS], 2048), {"ss_base_model_version": "sd_v1"}, "SDXL"),
        (pairs([CROSS], 64), {"ss_base_model_version": "sd_v1"}, "Stable Diffusion 1"),
        (pairs([CROSS], 64), {}, ""),
        (pairs(["lora_te2_text_model_encoder_layers_0_mlp_fc1"]), {}, "SDXL"),
        (pairs(["text_encoder_2.text_model.encoder.layers.0.mlp.fc1"], 8, NEW), {}, "SDXL"),
        (pairs(["lora_unet_single_blocks_0_linear1"]), {}, "Flux"),
        (pairs(["transformer.single_transformer_blocks.0.attn.to_q"], 8, NEW), {}, "Flux"),
        (pairs(["lora_transformer_single_transformer_blocks_0_attn_to_q"]), {}, "Flux"),
        (pairs(["diffusion_model.double_blocks.0.img_attn.qkv"]), {}, "Flux"),
        (pairs(["base_model.model.double_blocks.0.img_attn.qkv"], 8, NEW), {}, "Flux"),
        (pairs(["double_blocks.0.processor.qkv_lora1"], 8, XLABS), {}, "Flux"),
        (pairs(["lora_unet_joint_blocks_0_x_block_attn_qkv"]), {}, "Stable Diffusion 3"),
        (
            pairs(["transformer.a.attn.to_q", "text_encoder_2.b"], 8, NEW),
            {SPEC: "stable-diffusion-3-medium/lora"},
            "Stable Diffusion 3",
        ),
        (pairs(["a"]), {SPEC: "stable-diffusion-v1/lora"}, "Stable Diffusion 1"),
        (pairs(["a"]), {SPEC: "stable-diffusion-v2-768-v/lora"}, "Stable Diffusion 2"),
        (pairs(["a"]), {SPEC: "stable-diffusion-xl-v1-base/lora"}, "SDXL"),
        (pairs(["a"]), {"ss_base_model_version": "sdxl_base_v1-0"}, "SDXL"),
        (pairs(["a"]), {"ss_base_model_version": "sd_v2_v"}, "Stable Diffusion 2"),
        (pairs(["a"]), {"ss_base_model_version": "sd3"}, "Stable Diffusion 3"),
        (pairs(["a"]), {"ss_base_model_version": "flux1"}, "Flux"),
        (pairs(["a"]), {"ss_base_model_version": "something new"}, ""),
        (pairs(["a"]), {}, ""),
    ],
)  # fmt: skip
def test_what_a_lora_was_made_for(
    tmp_path: Path, shapes: Shapes, metadata: dict[str, str], base: str
) -> None:
    write(tmp_path / "loras/ink.safetensors", shapes, metadata)
    assert Shelf(tmp_path).lora("ink").facts.base == base


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        ({"x.hada_w1_a": (2, 2)}, "is a LoHa; only plain LoRAs work."),
        ({"x.lokr_w1": (2, 2)}, "is a LoKr;"),
        (pairs(["x"]) | {"x.dora_scale": (2,)}, "is a DoRA;"),
        (pairs(["x"]) | {"x.lora_mid.weight": (2, 2, 3, 3)}, "a LoCon of the decomposed kind"),
        (pairs(["x"]) | {"y.diff": (2,)}, "is one that also replaces weights"),
        (pairs(["x"]) | {"bundle_emb.y": (2,)}, "is one with “bundle_emb.y” in it"),
        ({"x.lora_down.weight": (2, 2)}, "is one that lacks half of “x”"),
        ({"x.alpha": ()}, "is one that lacks half of “x”"),
        (pairs(["x"]) | {"x.alpha": (2,)}, "is one whose “x.alpha” has a strange shape"),
        (pairs(["x"]) | {"y.lora_up.weight": (2,)}, "“y.lora_up.weight” has a strange shape"),
        (pairs(["x"]) | {"y.lora_up.weight": (2, 0)}, "“y.lora_up.weight” has a strange shape"),
        ({}, "is an empty file"),
    ],
)
def test_what_is_no_plain_lora(tmp_path: Path, shapes: Shapes, kind: str) -> None:
    write(tmp_path / "loras/ink.safetensors", shapes)
    with pytest.raises(RequestError) as caught:
        Shelf(tmp_path).lora("ink")
    assert str(caught.value).startswith("The LoRA “ink” is ")
    assert kind in str(caught.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it has no header that fits into it"),
        (b"\x05\0\0\0\0\0\0\0{", "it has no header that fits into it"),
        (b"\xff" * 40, "it has no header that fits into it"),
        (b"\x02\0\0\0\0\0\0\0[]", "its header does not describe tensors"),
        (b'\x04\0\0\0\0\0\0\0{"a"', "its header is not JSON"),
        (b'\x08\0\0\0\0\0\0\0{"a":{}}', "its header does not describe tensors"),
        (b"\x04\0\0\0\0\0\0\0\xff\xff\xff\xff", "its header is not JSON"),
    ],
)
def test_damage_is_named(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras/ink.safetensors").write_bytes(data)
    with pytest.raises(RequestError, match=f"The LoRA “ink” is damaged: {says}"):
        Shelf(tmp_path).lora("ink")


def test_an_interrupted_copy_is_damage_and_mended_it_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "loras/ink.safetensors", pairs(["x"]))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    shelf = Shelf(tmp_path)
    with caplog.at_level(logging.WARNING, "inference"):
        assert shelf.loras() == []
    assert f"{len(whole) - 1} bytes instead of {len(whole)}" in caplog.text
    path.write_bytes(whole)
    assert [lora.name for lora in shelf.loras()] == ["ink"]


def test_files_are_found_by_their_names_alone(tmp_path: Path) -> None:
    write(tmp_path / "secret.safetensors", pairs(["x"]))
    for name in ("ink", "ink wash", "a<b", "n" * 81):
        write(tmp_path / f"loras/{name}.safetensors", pairs(["x"]))
    (tmp_path / "loras/notes.txt").write_text("")
    shelf = Shelf(tmp_path)
    assert [lora.name for lora in shelf.loras()] == ["ink", "ink wash"]
    for name in ("../secret", "secret", "ink.safetensors", "", "INK", str(tmp_path / "secret")):
        with pytest.raises(RequestError, match="There is no LoRA"):
            shelf.lora(name)


def test_an_unknown_one_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"There is no LoRA “inc”; there are none here\."):
        Shelf().lora("inc")
    for name in ("ink", "charcoal", "watercolour"):
        write(tmp_path / f"loras/{name}.safetensors", pairs(["x"]))
    with pytest.raises(RequestError, match=r"There is no LoRA “inc”; the nearest is “ink”\."):
        Shelf(tmp_path).lora("inc")


def test_a_changed_file_has_another_revision(tmp_path: Path) -> None:
    path = write(tmp_path / "loras/ink.safetensors", pairs(["x"]))
    shelf = Shelf(tmp_path)
    before = shelf.lora("ink").revision
    assert shelf.lora("ink").revision == before
    data = bytearray(path.read_bytes())
    data[-1] = 1
    path.write_bytes(data)
    assert shelf.lora("ink").revision != before
    path.unlink()
    assert shelf.loras() == []


def test_a_file_from_elsewhere_is_known_by_its_name(tmp_path: Path) -> None:
    write(tmp_path / "shelf/loras/ink.safetensors", pairs(["x"]))
    other = write(tmp_path / "wash.safetensors", pairs(["x"]))
    same = write(tmp_path / "ink.safetensors", pairs(["x"]))
    shelf = Shelf(tmp_path / "shelf")
    assert shelf.add_lora(other) == shelf.add_lora(other) == "wash"
    assert shelf.lora("wash").path == other
    with pytest.raises(RequestError, match="have the same name; rename one of them"):
        shelf.add_lora(same)
    with pytest.raises(RequestError, match=r"There is no file .*nothing\.safetensors"):
        shelf.add_lora(tmp_path / "nothing.safetensors")


def test_only_what_may_fit_a_model_is_offered_for_it(tmp_path: Path) -> None:
    write(tmp_path / "loras/sd1.safetensors", pairs([CROSS], 768))
    write(tmp_path / "loras/xl.safetensors", pairs([CROSS], 2048))
    write(tmp_path / "loras/small.safetensors", pairs([CROSS], 64))
    write(tmp_path / "loras/any.safetensors", pairs(["lora_unet_mid"]))
    model = tmp_path / "pic"
    for name, content in (
        ("model_index.json", {"_class_name": "StableDiffusionPipeline"}),
        ("unet/config.json", {"cross_attention_dim": 768}),
    ):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text(json.dumps(content))
    catalog = Catalog(tmp_path)
    assert catalog.loras_for("pic") == ("any", "sd1")
    catalog.check(Recipe(prompt="", model="pic", loras=(LoraUse(name="any"),)))
    with pytest.raises(RequestError) as caught:
        catalog.check(Recipe(prompt="", model="pic", loras=(LoraUse(name="xl"),)))
    assert str(caught.value) == (
        "The LoRA “xl” was made for SDXL; the model “pic” is Stable Diffusion 1."
    )
    with pytest.raises(RequestError) as caught:
        check_fit(catalog.shelf.lora("small"), catalog.find("pic"))
    assert str(caught.value) == (
        "The LoRA “small” was made for a model that reads text 64 wide; the model “pic” "
        "(Stable Diffusion 1) reads it 768 wide."
    )
    assert catalog.find("pic").adapters == str(tmp_path)


def test_what_nobody_can_tell_yet_passes(tmp_path: Path) -> None:
    write(tmp_path / "loras/any.safetensors", pairs(["lora_unet_mid"]))
    lora = Shelf(tmp_path).lora("any")
    assert fits(lora, SD1)
    assert fits(lora, ModelInfo(id="unread", title="", location="some/hub"))
