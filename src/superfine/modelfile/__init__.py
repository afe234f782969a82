"""The model folder: a card, a graph without weights, and one file of weights for each variant."""

from superfine.modelfile.card import GRAPH, Card, Variant
from superfine.modelfile.dial import parse_dial
from superfine.modelfile.folder import ModelFolder, open_model, record, write_model
from superfine.modelfile.lineage import told_once, trainings
from superfine.modelfile.weights import Weights, decode, encode, half, lerp, offsets

__all__ = [
    "GRAPH",
    "Card",
    "ModelFolder",
    "Variant",
    "Weights",
    "decode",
    "encode",
    "half",
    "lerp",
    "offsets",
    "open_model",
    "parse_dial",
    "record",
    "told_once",
    "trainings",
    "write_model",
]
