"""Damaged tables and workflows of a batch: planned, refused in a sentence, or lost.

`python -m tests.hostile.tables --count 10000` damages tables in CSV (as spreadsheets of several
languages write them), JSON lines and YAML, and workflows, and plans each. Lost is what ends in
another error than PlanError, in a sentence that is long or that a terminal obeys, or takes over
`SECONDS` of the processor. Exit code 1 where any is.
"""

import argparse
import json
import random
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from time import process_time

from tests.hostile.media_havoc import damaged, report_lost
from tools.batch.jobs import plan
from tools.batch.rows import read_rows
from tools.batch.text import printable
from tools.batch.workflow import PlanError, read_workflow

SECONDS = 8.0  # of the processor; a plan at the limit of 100,000 jobs takes 3
LIMIT = 400  # characters of a sentence
PLANNED, SENTENCE, LOST = "planned", "sentence", "lost"

GRAPH = {
    "2": {"class_type": "Encode", "inputs": {"text": "a ball"}, "_meta": {"title": "Prompt"}},
    "6": {"class_type": "Noise", "inputs": {"seed": 0, "scale": 1.0, "fixed": True}},
    "9": {"class_type": "Save", "inputs": {"filename_prefix": "x", "link": ["6", 0]}},
}
CSV = (
    "name,Prompt.text,noise.seed,noise.scale\n"
    'böl,"赤い, ""ball""",7,0.5\n'
    "b,Fuß,1..3,\n"
    ',,"1..2",0..1 by 0.5\n'
)
JSON_LINES = (
    '{"name": "a", "Prompt.text": ["a", "b"], "noise.seed": "1..3"}\n'
    '{"noise.fixed": true, "noise.scale": 0.25, "6.seed": 9}\n'
)
YAML = (
    "- name: a\n  Prompt.text: |\n    two\n    lines\n  noise.seed: [1, 2, 3]\n"
    "- &b {noise.fixed: true, noise.scale: .5}\n- {noise.seed: 4}\n"
)
SPECIAL = [
    *(letter.encode() for letter in "[]{}\"',;\t\r\n\0"), b"..", b"&a ", b"*a", b"name", b"null",
    b"!!python/object:os.system ", b"sep=;\n", b"=1+1", b"1e999", b"-0", b"nan", b"9" * 5000,
    b"0..1 by 0.0000001", b"1..1e12", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x1b[2J",
    b"noise.seed", b"../..", b"CON", b"<<: *a\n", b"---\n", b"? ", b"- " * 200, b"[" * 3000,
    "気".encode() * 100, b"\xe2\x80\xae", b"true", b"1:30", b"0x10", b"# ", b"%TAG ! x\n",
]  # fmt: skip


def seeds() -> list[tuple[str, bytes, str | None]]:
    """Whole tables of every form and a workflow: suffix, content, and code page to name."""
    semicolons = CSV.replace(",", ";")
    return [
        (".csv", CSV.encode(), None),
        (".csv", CSV.encode("utf-8-sig").replace(b"\n", b"\r\n"), None),
        (".csv", semicolons.replace("赤い", "roß").encode("cp1252"), "cp1252"),
        (".csv", ("sep=;\r\n" + semicolons).encode("utf-16"), None),
        (".csv", CSV.encode().replace(b"\n", b"\r"), None),
        (".tsv", CSV.replace(",", "\t").encode("utf-16"), None),
        (".jsonl", JSON_LINES.encode(), None),
        (".yaml", YAML.encode(), None),
        (".json", json.dumps(GRAPH).encode(), None),
    ]


def changed(content: bytes, dice: random.Random) -> bytes:
    """`content` with something special put in it, or with bytes damaged, or both."""
    data = bytearray(content)
    for _ in range(dice.choice((0, 1, 1, 2, 5))):
        at = dice.randrange(len(data) + 1)
        piece = dice.choice(SPECIAL) * dice.choice((1, 1, 1, 2, 50))
        data[at : at + dice.choice((0, 0, 1, 10))] = piece
    return bytes(data) if dice.random() < 0.5 else damaged(bytes(data), dice)


def outcome(path: Path, encoding: str | None) -> tuple[str, str]:
    """What becomes of the table or workflow at `path`, and what is wrong with that."""
    began = process_time()
    try:
        if path.suffix == ".json":
            plan(read_workflow(path), [{"name": "a"}], "t")
        else:
            plan(GRAPH, read_rows(path, encoding), "t")
        end = PLANNED
    except PlanError as error:
        sentence = str(error)
        if sentence != printable(sentence, LIMIT) or str(path.parent) in sentence:
            return LOST, f"sentence {sentence[:300]!r}"
        end = SENTENCE
    except BaseException:
        return LOST, traceback.format_exc()[-800:]
    seconds = process_time() - began
    return (LOST, f"{seconds:.1f} s") if seconds > SECONDS else (end, "")


def trial(count: int, seed: int = 0, keep: Path | None = None) -> Counter[str]:
    """The outcomes of `count` damaged files; those that are lost are copied to `keep`."""
    dice, totals, whole = random.Random(seed), Counter[str](), seeds()
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            suffix, content, encoding = whole[i % len(whole)]
            path = Path(folder) / f"{i}{suffix}"
            path.write_bytes(changed(content, dice))
            end, problem = outcome(path, encoding)
            totals[end] += 1
            if end == LOST:
                report_lost(path, problem, keep)
            path.unlink()
    return totals


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="where to copy the files that are lost")
    asked = parser.parse_args()
    totals = trial(asked.count, asked.seed, asked.keep)
    print(
        f"{sum(totals.values())} damaged tables: {totals[PLANNED]} planned, "
        f"{totals[SENTENCE]} a sentence, lost = {totals[LOST]}"
    )
    return int(totals[LOST] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
