"""Names that try to leave their folder."""

from contextlib import suppress

import pytest

from sora_core.errors import PathError
from sora_core.paths import inside

REFUSED = [
    "", ".", "..", "../", "../secret.txt", "../../secret.txt", "../output-x/a",
    "a/../../secret.txt", "a/../../../../../../etc/passwd", "./../secret.txt", "a/..", "a/.",
    "./a", "a//b", "a/", "/", "//", "/etc/passwd", "//host/share/a", "{root}/../secret.txt",
    "{root}/a", "{outside}/secret.txt", "..\\secret.txt", "a\\..\\..\\secret.txt", "\\secret.txt",
    "\\\\host\\share\\a", "\\\\?\\C:\\a", "\\\\.\\pipe\\a", "C:\\a", "C:/a", "C:a", "c:",
    "file:///etc/passwd", "http://host/a", "a.txt:stream", "%date:yyyy%/a", "a\0", "\0",
    "a\0/../../secret.txt",
    "../secret.txt\0.mp4", "a\nb", "a\rb", "a\tb", "\x1b[2Ja", "a\x7f", "a\u0085b", "a\u2028b",
    "a\u2029b", "a\ud800", "a\u202etxt.exe", "a\u2066b", "link/secret.txt", "link",
    "link/../secret.txt", "link/new.txt", "filelink", "chain/secret.txt", "rootlink/..",
    "rootlink", "dangling", "\uff0e\uff0e/secret.txt", "..\uff0fsecret.txt", "\u2025/secret.txt",
    "a\uff3cb", "a\uff1ab", "\u2026", "CON", "con", "nul.txt", "Aux.tar.gz", "prn", "COM1",
    "lpt9.mp4", "COM\u00b9", "a/NUL/b", "NUL .txt", "CONIN$", "a.", "a ", "a./b", ".../a", " ",
    "a*", "a?", "a|b", 'a"b', "<a>", "a" * 256, "\u20ac" * 86, "a" * 300, "a/" * 600 + "a",
    "../" * 300,
]  # fmt: skip

CONTAINED = [
    "%date%", "~/secret.txt", "~root", "$HOME/a", "${HOME}", "`id`", "$(id)",
    "; rm a", "-rf", "%2e%2e%2fsecret.txt", "..%2fsecret.txt", "a..b", "..a", "...a", "a/..b/c",
    "\u2215etc", "..\u2215secret.txt", "..\u2044secret.txt", "\u29f8etc", "loop", "CONsole",
    "com10", "output-x", "\u0430\u0435", "a'b", "{0.__class__}", "%s%n", "&a", "#a",
    "a/b/c/d/e/f/g",
]  # fmt: skip


@pytest.fixture
def root(tmp_path):
    """A folder among secrets, with links that lead out of it."""
    root = tmp_path / "output"
    root.mkdir()
    (tmp_path / "output-x").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "output-x" / "a").write_text("secret")
    (root / "link").symlink_to(tmp_path)
    (root / "filelink").symlink_to(tmp_path / "secret.txt")
    (root / "chain").symlink_to(root / "link")
    (root / "rootlink").symlink_to(root)
    (root / "dangling").symlink_to(tmp_path / "new.txt")
    (root / "loop").symlink_to(root / "loop")
    return root


def outside(root):
    return {path: path.read_bytes() for path in root.parent.rglob("*") if is_outside(path, root)}


def is_outside(path, root):
    return path.is_file() and root.resolve() not in path.resolve().parents


def attempt(path):
    """Whatever a node might do with a path that it was given."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = path.read_bytes() if path.is_file() else b""
        path.write_bytes(b"written")
    except (OSError, ValueError):
        return b""
    return found


@pytest.mark.parametrize("name", REFUSED, ids=lambda name: ascii(name)[:40])
def test_a_name_that_may_leave_is_refused(root, name):
    name = name.replace("{root}", str(root)).replace("{outside}", str(root.parent))
    with pytest.raises(PathError) as refused:
        inside(root, name)
    assert len(str(refused.value)) <= 200
    assert ascii(name)[:20] in str(refused.value)
    assert ": " in str(refused.value)  # what to do instead


def test_no_name_reads_or_writes_outside(root):
    before = outside(root)
    refused = 0
    for template in REFUSED + CONTAINED:
        name = template.replace("{root}", str(root)).replace("{outside}", str(root.parent))
        try:
            path = inside(root, name)
        except PathError:
            refused += 1
        else:
            assert attempt(path) != b"secret"
    assert outside(root) == before
    assert refused == len(REFUSED)
    print(f"\npath_escapes {len(REFUSED + CONTAINED)} names, {refused} refused, 0 outside")


def test_plain_joining_would_have_let_names_out(root):
    """The names above are no straw men."""
    escapes = 0
    for template in REFUSED:
        name = template.replace("{root}", str(root)).replace("{outside}", str(root.parent))
        with suppress(ValueError, OSError):
            path = (root / name).resolve()
            escapes += root.resolve() not in (path, *path.parents)
    assert escapes >= 20
