"""What a ComfyUI graph says of how its picture was made.

A graph is an object of nodes by id, each with a `class_type` and `inputs`; an input is a value,
or a link [node id, output] to another node.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_NODES = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphRun:
    """The values of a graph's sampler as they stand in it; None or "" where it has none."""

    positive: str
    negative: str
    checkpoint: str
    sampler: str
    scheduler: str
    seed: object
    steps: object
    cfg: object
    denoise: object


def read_graph(graph: Mapping[str, Any]) -> GraphRun | None:
    """The first sampler of the graph and what flows into it; None where there is none."""
    nodes = {key: node for key, node in list(graph.items())[:MAX_NODES] if _is_node(node)}
    for node in nodes.values():
        inputs = node["inputs"]
        if {"positive", "negative", "steps"} <= inputs.keys():
            return GraphRun(
                positive=_find(nodes, inputs["positive"], "text"),
                negative=_find(nodes, inputs["negative"], "text"),
                checkpoint=_find(nodes, inputs.get("model"), "ckpt_name")
                or _find(nodes, inputs.get("model"), "unet_name"),
                sampler=str(inputs.get("sampler_name", "")),
                scheduler=str(inputs.get("scheduler", "")),
                seed=_value(nodes, inputs.get("seed", inputs.get("noise_seed"))),
                steps=_value(nodes, inputs["steps"]),
                cfg=_value(nodes, inputs.get("cfg")),
                denoise=_value(nodes, inputs.get("denoise")),
            )
    return None


def _is_node(node: object) -> bool:
    return isinstance(node, dict) and isinstance(node.get("inputs"), dict)


def _find(nodes: Mapping[str, Any], link: object, name: str) -> str:
    """The nearest text input of this name, following links against their direction."""
    for node in _upstream(nodes, link):
        value = node["inputs"].get(name)
        if isinstance(value, list):
            value = _value(nodes, value)
        if isinstance(value, str):
            return value
    return ""


def _value(nodes: Mapping[str, Any], value: object) -> object:
    """A value, or the one that a link leads to: the first plain input of that node."""
    for node in _upstream(nodes, value):
        plain = [item for item in node["inputs"].values() if not isinstance(item, list)]
        if plain:
            return plain[0]
    return None if isinstance(value, list) else value


def _upstream(nodes: Mapping[str, Any], link: object) -> Iterator[Any]:
    """The linked node and all before it, nearest first, each once."""
    waiting, seen = [link], set[str]()
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, list) or not link or str(link[0]) in seen:
            continue
        seen.add(str(link[0]))
        node = nodes.get(str(link[0]))
        if node is not None:
            yield node
            waiting += node["inputs"].values()
