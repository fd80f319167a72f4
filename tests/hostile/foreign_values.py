"""What other packs, and scripts at the API, connect to an input: a catalogue of foreign values."""

from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from pathlib import Path

import numpy as np
import torch

from tests.hostile.foreign_images import Catalogue, images, picture
from tests.hostile.foreign_media import sounds, videos
from tests.hostile.foreign_sampling import Good, conditionings, latents, schedules, services


class Anything:
    """Has every attribute, and each is another of its kind."""

    def __getattr__(self, name: str) -> "Anything":
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __call__(self, *_: object, **__: object) -> "Anything":
        return Anything()


def objects() -> Catalogue:
    """Plain Python values and objects of no sense."""
    return {
        "None": lambda: None,
        "True": lambda: True,
        "zero": lambda: 0,
        "-0.0": lambda: -0.0,
        "-1": lambda: -1,
        "3": lambda: 3,
        "3.0": lambda: 3.0,
        "0.5": lambda: 0.5,
        "2**63": lambda: 2**63,
        "10**300": lambda: 10**300,
        "10**400": lambda: 10**400,
        "1e308": lambda: 1e308,
        "nan": lambda: nan,
        "inf": lambda: inf,
        "-inf": lambda: -inf,
        "complex": lambda: 1j,
        "Decimal nan": lambda: Decimal("NaN"),
        "Fraction": lambda: Fraction(1, 2),
        "numpy float": lambda: np.float64(0.5),
        "numpy nan": lambda: np.float32(nan),
        "numpy int": lambda: np.int64(2),
        "empty text": lambda: "",
        "7 as text": lambda: "7",
        "nan as text": lambda: "nan",
        "long text": lambda: "a red ball " * 20_000,
        "surrogate": lambda: "\ud800",
        "NUL": lambda: "a\0b",
        "lines": lambda: "a\nb",
        "bytes": lambda: b"abc",
        "empty list": list,
        "list of None": lambda: [None],
        "list of numbers": lambda: [1.0, 0.5, 0.0],
        "nested list": lambda: [[]],
        "tuple": lambda: (1, 2),
        "empty dict": dict,
        "set": lambda: {1},
        "object": object,
        "class": lambda: dict,
        "function": lambda: print,
        "module": lambda: torch,
        "path": lambda: Path("/etc/passwd"),
        "error": lambda: ValueError("x"),
        "anything": Anything,
        "generator": lambda: (i for i in range(3)),
        "numpy image": lambda: picture().numpy(),
        "scalar tensor": lambda: torch.tensor(0.5),
        "nan tensor": lambda: torch.tensor(nan),
        "device": lambda: torch.device("cpu"),
        "module of torch": lambda: torch.nn.Linear(2, 2),
    }


def foreign_values(good: Good, folder: Path) -> Catalogue:
    """All values of the catalogue; `folder` takes the files of some."""
    return {
        **objects(),
        **images(),
        **latents(good),
        **conditionings(good),
        **sounds(),
        **videos(folder),
        **schedules(),
        **services(good),
    }
