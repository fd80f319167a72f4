"""Translations of the pack's texts: which are missing, and which are unused.

    python -m tools.locales

Writes `locales/en/nodeDefs.json` from the schemas, and lists the English texts that another
language lacks, and the translations that nothing uses.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from tools.contract import infos_of
from tools.host import ROOT
from tools.pack import load_pack

LOCALES = ROOT / "locales"
ENGLISH = "en"
LANGUAGES = ("ja", "zh")
NODES = "nodeDefs.json"
FILES = (NODES, "main.json", "settings.json")

Words = dict[str, Any]
"""Texts by key, one within another, as the page reads them."""


def english(infos: list[dict[str, Any]]) -> Words:
    """All texts of the nodes, by key."""
    return {info["name"]: text_by(info) for info in sorted(infos, key=lambda info: info["name"])}


def text_by(info: dict[str, Any]) -> Words:
    """The texts of a node as nodeDefs.json has them: inputs by name, outputs by index."""
    inputs = info["input"].get("required", {}) | info["input"].get("optional", {})
    names, texts = info["output_name"], info["output_tooltips"] or []
    return {
        "display_name": info["display_name"],
        "description": info["description"],
        "inputs": {
            name: {"name": spec[1].get("display_name") or name, "tooltip": spec[1]["tooltip"]}
            for name, spec in inputs.items()
        },
        "outputs": {
            str(i): {"name": name, "tooltip": tooltip}
            for i, (name, tooltip) in enumerate(zip(names, texts, strict=True))
        },
    }


def flat(words: Words, above: str = "") -> Iterator[tuple[str, str]]:
    """Each text with its full key."""
    for key, value in words.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def findings(source: Words, translated: Words) -> list[str]:
    """A line for each text that only one of the two has."""
    here, there = dict(flat(source)), dict(flat(translated))
    lacking = [f"lacks {key}: {text}" for key, text in here.items() if not there.get(key)]
    return lacking + [f"holds {key} in vain" for key in there if key not in here]


def read(language: str, file: str) -> Words:
    path = LOCALES / language / file
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def main() -> int:
    """0 if every translation is complete and used; else 1, with a line for each that is not.

    Writes the English texts in both cases.
    """
    words = english(infos_of(load_pack()))
    text = json.dumps(words, indent=2, ensure_ascii=False)
    (LOCALES / ENGLISH / NODES).write_text(f"{text}\n", encoding="utf-8")
    found = [
        f"{language}/{file} {line}"
        for language in LANGUAGES
        for file in FILES
        for line in findings(read(ENGLISH, file), read(language, file))
    ]
    print("\n".join(found) or f"{len(list(flat(words)))} texts in {len(words)} nodes, translated")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
