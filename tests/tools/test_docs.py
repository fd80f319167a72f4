"""Files and names in the documentation exist, and the changelog is in its format."""

import re
import subprocess
from pathlib import Path

import pytest

from tools.host import ROOT
from tools.rules import shipped

LISTED = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
TRACKED = subprocess.run(LISTED, cwd=ROOT, capture_output=True, text=True, check=True).stdout
FILES = frozenset(file for file in TRACKED.splitlines() if (ROOT / file).is_file())
NAMES_OF_FILES = frozenset(Path(file).name for file in FILES)
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "models/*.md")
    for path in ROOT.glob(pattern)
)
OLD_NAMES = "docs/names.md"  # its first column is of an earlier version
BASES = ("", "sora_core/", "nodes/", "tests/")
FOLDERS = frozenset(Path(base, file).parts[0] for base in BASES for file in FILES) | frozenset(
    Path(file).parts[1] for file in FILES if file.startswith(("sora_core/", "nodes/"))
)
SUFFIXES = (".py", ".md", ".js", ".toml")
FOREIGN = frozenset(
    {
        *("js/ltx_director.js", "web/js/minimax_timeline.js"),  # of other packs
        "NODE_ID.md",  # stands for any
    }
)


def spans(page: str) -> list[str]:
    """The code of a page: within backticks, and the words of its diagrams and trees."""
    fences = re.findall(r"```\n(.*?)```", page, re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL))
    return [word for text in (*inline, *fences) for word in text.split()]


def paths(page: str) -> set[str]:
    """What looks like a path of the repository: a file with a suffix of ours, or a known folder."""
    words = {word.rstrip(",.:;") for word in spans(page)}
    named = {word for word in words if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", word)}
    with_suffix = {word for word in named if word.endswith(SUFFIXES)}
    in_folder = {word for word in named if "/" in word and word.split("/")[0] in FOLDERS}
    return (with_suffix | in_folder) - FOREIGN


def is_there(path: str) -> bool:
    """Whether `path` is a file or folder: from the root, from a package, or as a bare name."""
    if "/" not in path:
        return path in NAMES_OF_FILES
    whole = [f"{base}{path}".rstrip("/") for base in BASES]
    return any(
        candidate in FILES or f"{candidate}.py" in FILES or (ROOT / candidate).is_dir()
        for candidate in whole
    )


def missing(page: str) -> list[str]:
    return sorted(path for path in paths(page) if not is_there(path))


@pytest.mark.parametrize("name", [page for page in PAGES if page != OLD_NAMES])
def test_every_path_that_a_page_names_exists(name):
    assert missing((ROOT / name).read_text(encoding="utf-8")) == []


def test_the_new_names_of_files_exist():
    page = (ROOT / OLD_NAMES).read_text(encoding="utf-8")
    table = page.split("## Files", 1)[1].split("\n## ", 1)[0]
    new = re.findall(r"^\| `[^`]+` \| `([^`]+)` \|$", table, re.MULTILINE)
    assert len(new) > 100
    assert [path for path in new if path not in FILES] == []


def test_names_in_the_architecture_are_in_the_source():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    identifiers = {
        name
        for word in spans(page)
        for name in re.findall(r"\b(?:[A-Z][a-z]+[A-Z]\w*|[a-z]+_\w+|[A-Z]+_[A-Z_]+)\b", word)
    }
    source = "\n".join((ROOT / file).read_text(encoding="utf-8") for file in shipped())
    files = {Path(file).stem for file in FILES} | {Path(file).parent.name for file in FILES}
    unknown = identifiers - set(re.findall(r"\w+", source)) - files - {"NODE_ID"}
    assert len(identifiers) > 30
    assert unknown == set()


def test_a_missing_path_and_a_missing_name_are_found():
    assert missing("`sora_core/models/dit.py` `models/dit` `test_names.py` `runs/demo`") == []
    gone = ["models/dot", "sora_core/models/dot.py", "test_nomes.py"]
    assert missing("`sora_core/models/dot.py`, `models/dot`\n```\n test_nomes.py\n```") == gone


CHANGES = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def format_errors(changelog: str) -> list[str]:
    """Differences from keepachangelog.com 1.1.0: releases, dates, kinds of changes, their order."""
    errors = [] if changelog.startswith("# Changelog\n") else ["no title"]
    _, *releases = re.split(r"^## ", changelog, flags=re.MULTILINE)
    titles = [release.partition("\n")[0] for release in releases]
    if titles[:1] != ["[Unreleased]"]:
        errors.append("Unreleased is not first")
    dated = r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d"
    errors += [title for title in titles[1:] if not re.fullmatch(dated, title)]
    for release in releases:
        kinds = re.findall(r"^### (.+)$", release, re.MULTILINE)
        if kinds != [kind for kind in CHANGES if kind in kinds]:
            errors.append(f"kinds {kinds}")
    return errors


def test_the_changelog_is_in_the_format_of_keep_a_changelog():
    assert format_errors((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "# Changes\n\n## [Unreleased]\n",
        "# Changelog\n\n## 0.1.0 (unreleased)\n",
        "# Changelog\n\n## [Unreleased]\n\n## [0.1.0]\n",
        "# Changelog\n\n## [Unreleased]\n\n### Added\n- a\n\n### Fixed\n- b\n\n### Added\n- c\n",
        "# Changelog\n\n## [Unreleased]\n\n### News\n- a\n",
    ],
)
def test_another_format_is_found(text):
    assert format_errors(text)
