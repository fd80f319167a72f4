"""Answers of a ComfyUI server: each is checked for its types before anything uses it.

Nothing in an answer is trusted: a field that is missing or of another type raises AnswerError, a
text is made harmless for a terminal, and numbers are finite.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any

from tools.batch.text import MAX_MESSAGE, printable

MAX_FILES = 10_000  # of one job
MAX_FILE_NAME = 1024
MAX_ID = 256
MAX_CHOICE_DEPTH = 8
PLACES = ("output", "temp", "input")


class AnswerError(Exception):
    """The server answered something that ComfyUI does not answer."""


class RejectedError(Exception):
    """ComfyUI rejects a job, as it would each time."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file on the server, by the words that `/view` takes."""

    filename: str
    subfolder: str
    type: str

    @property
    def escapes(self) -> bool:
        """Whether it may lie outside the folder of its type, where `/view` answers 403."""
        path = PureWindowsPath(self.subfolder)  # which knows both kinds of slashes
        return bool(path.anchor) or ".." in path.parts


@dataclass(frozen=True, slots=True)
class Result:
    """How a job ended on the server: its files, or why there are none."""

    files: tuple[SavedFile, ...]
    error: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """A message about a job that runs: its prompt id, and the node or the progress it names."""

    kind: str
    prompt: str
    node: str | None = None
    value: float = 0
    most: float = 0


def parse(content: bytes | str, source: str) -> Any:  # noqa: ANN401
    """The JSON value of an answer; `source` names it in the AnswerError that is raised if none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        text = content.decode(errors="replace") if isinstance(content, bytes) else content
        start = printable(text[:200].lstrip(), 60)
        page = text[:2000].lstrip().lower().startswith(("<!doctype", "<html"))
        observed = "an HTML page" if page else f"no JSON: {start!r}" if start else "nothing"
        raise AnswerError(f"{source} answers {observed}") from error


def table(value: object, source: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AnswerError(f"{source} is not a table")
    return value


def items(value: object, source: str) -> list[Any]:
    if not isinstance(value, list):
        raise AnswerError(f"{source} is not a list")
    return value


def string(value: object, source: str, limit: int) -> str:
    """`value` if it is text that can be sent back as it is: short, without control characters."""
    if not isinstance(value, str) or len(value) > limit:
        raise AnswerError(f"{source} is not text of at most {limit} characters")
    if "\0" in value or any(0xD800 <= ord(letter) <= 0xDFFF for letter in value):
        raise AnswerError(f"{source} is text that no file name can hold")
    return value


def number(value: object) -> float | None:
    """`value` if it is a finite number of a sensible size."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 and math.isfinite(value) else None


def parse_nodes(answer: object, wanted: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """The inputs of each node in `wanted`, as `/object_info` lists them, and the nodes it lacks."""
    nodes = table(answer, "the list of nodes")
    known: dict[str, Any] = {}
    missing = []
    for name in sorted(set(wanted)):
        if name not in nodes:
            missing.append(name)
            continue
        source = f"the node {printable(name, 80)}"
        inputs = table(table(nodes[name], source).get("input", {}), f"input of {source}")
        known[name] = {"input": {"required": parse_inputs(inputs, source, 0)}}
    if missing and not any(isinstance(node, dict) and "input" in node for node in nodes.values()):
        raise AnswerError("the list of nodes holds no nodes")
    return known, missing


def parse_inputs(inputs: dict[str, Any], source: str, depth: int) -> dict[str, Any]:
    """The required inputs: type or choices, options, and the inputs that a choice brings along."""
    if depth > MAX_CHOICE_DEPTH:
        raise AnswerError(f"{source} nests choices more than {MAX_CHOICE_DEPTH} deep")
    required = {}
    for name, spec in table(inputs.get("required", {}), f"required of {source}").items():
        parts = items(spec, f"an input of {source}")
        if not parts or not isinstance(parts[0], str | list):
            raise AnswerError(f"an input of {source} has no type")
        options = dict(table(parts[1], f"options of {source}")) if len(parts) > 1 else {}
        choices = parts[0]
        if isinstance(choices, str) and "options" in options:
            options["options"] = items(options["options"], f"choices of {source}")
            options["options"] = [parse_choice(one, source, depth) for one in options["options"]]
        elif isinstance(choices, list):
            choices = [parse_choice(one, source, depth) for one in choices]
        required[name] = [choices, options]
    return required


def parse_choice(choice: object, source: str, depth: int) -> object:
    """A choice without inputs as it is, a table as its key and its required inputs.

    AnswerError if a table has no key.
    """
    if not isinstance(choice, dict):
        return choice
    if not isinstance(choice.get("key"), str):
        raise AnswerError(f"a choice of {source} has no key")
    inputs = table(choice.get("inputs", {}), f"a choice of {source}")
    return {"key": choice["key"], "inputs": {"required": parse_inputs(inputs, source, depth + 1)}}


def parse_queue(answer: object) -> frozenset[str]:
    """The prompt ids of all that waits or runs, ours or not."""
    queue = table(answer, "/queue")
    found = set()
    for part in ("queue_running", "queue_pending"):
        for item in items(queue.get(part), f"{part} of /queue"):
            if len(items(item, f"an item of {part}")) < 2 or not isinstance(item[1], str):
                raise AnswerError(f"an item of {part} has no prompt id")
            found.add(item[1])
    return frozenset(found)


def parse_accepted(status: int, content: bytes, prompt: str) -> None:
    """Returns if `/prompt` accepted the graph; else RejectedError with the reason."""
    try:
        answer = table(parse(content, "/prompt"), "the answer of /prompt")
    except AnswerError as error:
        if status != 200:
            raise RejectedError(f"ComfyUI answers {status}: {error}") from error
        raise
    errors = answer.get("node_errors") or {}
    if status != 200 or errors:
        raise RejectedError(rejection(answer))
    arguments = string(answer.get("prompt_id"), "prompt_id of /prompt", MAX_ID)
    if arguments != prompt:
        raise AnswerError("/prompt took the job under an id of its own: update that ComfyUI")


def rejection(answer: dict[str, Any]) -> str:
    """Why ComfyUI rejects a graph: each input that it names, or its error."""
    lines = []
    errors = answer.get("node_errors")
    for node in errors.values() if isinstance(errors, dict) else ():
        for error in node.get("errors") or () if isinstance(node, dict) else ():
            if isinstance(error, dict):
                words = (node.get("class_type"), error.get("message"), error.get("details"))
                lines.append(": ".join(word for word in words if isinstance(word, str)))
    error = answer.get("error")
    if not lines and isinstance(error, dict):
        words = (error.get("message"), error.get("details"))
        lines.append(": ".join(word for word in words if isinstance(word, str) and word))
    if not any(lines) and isinstance(error, str):
        lines.append(error)
    reason = "; ".join(filter(None, lines)) or "ComfyUI rejects the job without a reason"
    return printable(reason, MAX_MESSAGE)


def parse_history(answer: object, prompt: str) -> object | None:
    """The entry of our job in `/history`; None when the server does not remember it."""
    return table(answer, "/history").get(prompt)


def parse_result(entry: object) -> Result:
    """How a job ended, by its entry in the history."""
    found = table(entry, "the job's history")
    status = table(found.get("status"), "the job's status")
    messages = {}
    for message in items(status.get("messages", []), "the job's messages"):
        if len(items(message, "a message of the job")) < 2 or not isinstance(message[0], str):
            raise AnswerError("a message of the job has no type")
        messages[message[0]] = table(message[1], "a message of the job")
    state = status.get("status_str")
    if state not in ("success", "error"):
        raise AnswerError("the job's status is neither success nor error")
    error = None
    if state == "error":
        error = "interrupted by someone" if "execution_interrupted" in messages else "failed"
        if failure := messages.get("execution_error"):
            words = (failure.get("node_type"), failure.get("exception_message"))
            known = [word.strip() for word in words if isinstance(word, str)]
            error = printable(": ".join(known) or "failed")
    stamps = [number(data.get("timestamp")) for data in messages.values()]
    known_stamps = [stamp for stamp in stamps if stamp is not None]
    seconds = (max(known_stamps) - min(known_stamps)) / 1000 if known_stamps else None
    files = () if error else tuple(parse_files(found.get("outputs", {})))
    return Result(files, error, seconds)


def parse_files(outputs: object) -> list[SavedFile]:
    """The files of a run, in the order of its nodes; previews count only if nothing is saved."""
    files = []
    for displayed in table(outputs, "the job's outputs").values():
        for listed in table(displayed or {}, "a node's output").values():
            for item in listed if isinstance(listed, list) else ():
                if isinstance(item, dict) and "filename" in item:
                    files.append(parse_file(item))
                    if len(files) > MAX_FILES:
                        raise AnswerError(f"the job saved more than {MAX_FILES} files")
    return [file for file in files if file.type == "output"] or files


def parse_file(item: dict[str, Any]) -> SavedFile:
    """The saved file that `item` describes; AnswerError without a name, or outside PLACES."""
    name = string(item["filename"], "a saved file's name", MAX_FILE_NAME)
    subfolder = string(item.get("subfolder", ""), "a saved file's subfolder", MAX_FILE_NAME)
    place = item.get("type", "output")
    if not name or place not in PLACES:
        raise AnswerError("a saved file has no name, or lies in no folder of ComfyUI")
    return SavedFile(name, subfolder, place)


def parse_event(text: str) -> Event | None:
    """The event in a websocket message; None if it is about no job, or is no such message."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict) or not isinstance(message.get("type"), str):
        return None
    prompt, node = data.get("prompt_id"), data.get("node")
    if not isinstance(prompt, str) or len(prompt) > MAX_ID:
        return None
    value, most = number(data.get("value")), number(data.get("max"))
    node = printable(node, 80) if isinstance(node, str) else None
    return Event(message["type"], prompt, node, max(value or 0, 0), max(most or 0, 0))
