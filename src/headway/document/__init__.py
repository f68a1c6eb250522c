"""YAML documents with places: `read` a text, walk the nodes, put later errors where they belong.

Pure. Called by settings (headway.yaml) and pipeline (workflows).
"""

from headway.document.node import (
    Mapping,
    Mark,
    Node,
    Path,
    Plain,
    Scalar,
    Sequence,
    Value,
    find,
    plain,
    walk,
)
from headway.document.problems import invalid, quoted
from headway.document.reader import STRICT, WITH_ANCHORS, Limits, read
from headway.document.text import decode

__all__ = [
    "STRICT",
    "WITH_ANCHORS",
    "Limits",
    "Mapping",
    "Mark",
    "Node",
    "Path",
    "Plain",
    "Scalar",
    "Sequence",
    "Value",
    "decode",
    "find",
    "invalid",
    "plain",
    "quoted",
    "read",
    "walk",
]
