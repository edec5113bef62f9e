"""Which layers look at the style picture, for the UNets that the papers speak of."""

from collections.abc import Iterator

from inference.families.image_layers import keeps_of


def names(down: dict[int, int], middle: int, up: dict[int, int], deep: int = 1) -> list[str]:
    """Of every cross-attention. down, up: transformers by block; deep: layers in each."""

    def inner() -> Iterator[str]:
        for side, blocks in (("down", down), ("up", up)):
            for block, count in blocks.items():
                yield from (f"{side}_blocks.{block}.attentions.{i}." for i in range(count))
        yield from (f"mid_block.attentions.{i}." for i in range(middle))

    return [f"{name}transformer_blocks.{i}.attn2" for name in inner() for i in range(deep)]


def looking(all_names: list[str], keep: str, *, xl: bool) -> set[str]:
    """Where layers look, down to the transformer or the middle block."""
    keeps = keeps_of(all_names, xl=xl)
    assert set(keeps) == set(all_names)
    return {name.split(".transformer")[0] for name in all_names if keep in keeps[name]}


def test_stable_diffusion_1() -> None:
    sd15 = names({0: 2, 1: 2, 2: 2}, 1, {1: 3, 2: 3, 3: 3})
    assert looking(sd15, "style", xl=False) == {f"up_blocks.1.attentions.{i}" for i in range(3)}
    assert looking(sd15, "composition", xl=False) == {
        "down_blocks.2.attentions.0",
        "down_blocks.2.attentions.1",
        "mid_block.attentions.0",
    }
    assert len(looking(sd15, "both", xl=False)) == 16


def test_sdxl() -> None:
    sdxl = names({1: 2, 2: 2}, 1, {0: 3, 1: 3}, deep=2)
    assert looking(sdxl, "style", xl=True) == {"up_blocks.0.attentions.1"}
    assert looking(sdxl, "composition", xl=True) == {"down_blocks.2.attentions.1"}
    assert len(looking(sdxl, "both", xl=True)) == 11
    keeps = keeps_of(sdxl, xl=True)
    assert sum("style" in each for each in keeps.values()) == 2  # every layer of the transformer


def test_a_unet_of_one_transformer_in_each_block() -> None:
    """As the embedded model's; there the up blocks have two."""
    small = names({1: 1, 2: 1}, 1, {0: 2, 1: 2})
    assert looking(small, "style", xl=False) == {
        "up_blocks.0.attentions.0",
        "up_blocks.0.attentions.1",
    }
    assert looking(small, "composition", xl=False) == {
        "down_blocks.2.attentions.0",
        "mid_block.attentions.0",
    }


def test_a_unet_without_a_middle_block() -> None:
    cut = names({0: 1, 1: 1}, 0, {1: 2, 2: 2})
    assert looking(cut, "composition", xl=False) == {"down_blocks.1.attentions.0"}
    assert looking(cut, "style", xl=False) == {
        "up_blocks.1.attentions.0",
        "up_blocks.1.attentions.1",
    }


def test_ten_blocks_are_not_put_in_the_order_of_letters() -> None:
    tall = names({2: 1, 10: 1}, 1, {2: 1, 10: 1})
    assert looking(tall, "composition", xl=True) == {"down_blocks.10.attentions.0"}
    assert looking(tall, "style", xl=True) == {"up_blocks.2.attentions.0"}
