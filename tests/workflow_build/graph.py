"""A workflow as a plan: nodes in groups, with notes. Written out as API JSON, and as input for the browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

HUGGING_FACE = "https://huggingface.co/Comfy-Org"

# Colours of groups, by what they are for.
MODELS, MOTION, PERSON, CAMERA, VIDEO = "#3f5159", "#5a4a3c", "#4a4a5e", "#3c5a4a", "#54405a"


@dataclass(frozen=True)
class Out:
    """An output of a node of the plan."""

    node: Node
    slot: int = 0


@dataclass(eq=False)
class Node:
    """One node. `models`: files it loads, for the front end's help with missing ones."""

    type: str
    inputs: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    models: list[dict[str, str]] = field(default_factory=list)
    muted: bool = False

    def out(self, slot: int = 0) -> Out:
        return Out(self, slot)


@dataclass
class Group:
    """Nodes that belong together, stacked in columns, with a note below them (Markdown). row: above 0, it stands below
    the group before it."""

    title: str
    colour: str
    columns: list[list[Node]]
    note: str = ""
    row: int = 0

    def below(self) -> Group:
        return replace(self, row=1)

    @property
    def nodes(self) -> list[Node]:
        return [node for column in self.columns for node in column]


@dataclass
class Workflow:
    """name: of the files. needs: model files that are not in the pack; empty where the mini serves it."""

    name: str
    title: str
    about: str
    groups: list[Group]

    def nodes(self) -> Iterator[Node]:
        for group in self.groups:
            yield from group.nodes

    def ids(self) -> dict[Node, str]:
        return {node: str(number) for number, node in enumerate(self.nodes(), start=1)}

    def api(self, with_muted: bool = False) -> dict[str, Any]:
        """As ComfyUI's /prompt takes it; muted nodes are left out."""
        ids = self.ids()
        return {
            ids[node]: {
                "class_type": node.type,
                "inputs": {name: _value(value, ids) for name, value in node.inputs.items()},
                **({"_meta": {"title": node.title}} if node.title else {}),
            }
            for node in self.nodes()
            if with_muted or not node.muted
        }

    def plan(self) -> dict[str, Any]:
        """What build.mjs needs: the graph and its layout."""
        ids = self.ids()
        return {
            "name": self.name,
            "title": self.title,
            "about": self.about,
            "api": self.api(with_muted=True),
            "titles": {ids[node]: node.title for node in self.nodes() if node.title},
            "models": {ids[node]: node.models for node in self.nodes() if node.models},
            "muted": [ids[node] for node in self.nodes() if node.muted],
            "groups": [
                {
                    "title": group.title,
                    "colour": group.colour,
                    "note": group.note.strip(),
                    "row": group.row,
                    "columns": [[ids[node] for node in column] for column in group.columns],
                }
                for group in self.groups
            ],
        }


def _value(value: Any, ids: dict[Node, str]) -> Any:
    return [ids[value.node], value.slot] if isinstance(value, Out) else value


def hub_file(repository: str, folder: str, name: str) -> dict[str, str]:
    """A file of Comfy-Org on the Hugging Face hub: folder below models/, and where it is."""
    url = f"{HUGGING_FACE}/{repository}/resolve/main/split_files/{folder}/{name}"
    return {"name": name, "url": url, "directory": folder}
