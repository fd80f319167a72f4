"""Help pages in other languages, from the translated words of the nodes and the English pages.

    python -m tools.help_pages

Writes `web/docs/NODE/LANGUAGE.md` for each node and language: the pictures and the example of the
English page, and what `locales/LANGUAGE` holds of the node, its inputs and its outputs.
"""

import re
from pathlib import Path

from tools.host import ROOT
from tools.locales import LANGUAGES, NODES, Words, read

DOCS = ROOT / "web" / "docs"
PICTURE = re.compile(r"^!\[[^\]]+\]\(([^)]+)\)$", re.MULTILINE)
CODE = re.compile(r"^```\n.*?^```$", re.MULTILINE | re.DOTALL)
TEMPLATE = re.compile(r"\*(sora_\w+)\*")
TIMED = "**On the timeline**"

HEADINGS = {"zh": ("输入", "输出", "示例"), "ja": ("入力", "出力", "例")}
TEMPLATES = {"zh": "完整的图见模板 {}。", "ja": "グラフ全体はテンプレート {} にあります。"}
ALONE = {
    "zh": "在 *Templates* 里打开任一 Sora 模板，就能看到这个节点怎样连接。",  # noqa: RUF001
    "ja": "*Templates* で Sora のテンプレートを開くと、このノードのつなぎ方がわかります。",
}
TIMELINE = {
    "zh": "**时间线**：拖动边界或片段会写入上面的控件；拖动标尺移动播放头并预览画面；"  # noqa: RUF001
    "Ctrl+滚轮缩放，Shift+滚轮平移，Alt 关闭吸附，方向键逐帧移动，Ctrl+Z 撤销。",  # noqa: RUF001
    "ja": "**タイムライン**: 境界やクリップをドラッグすると上の項目に書き込まれます。"
    "目盛りのドラッグで再生ヘッドとプレビューが動きます。Ctrl+ホイールで拡大、Shift+ホイールで移動、"
    "Alt で吸着なし、矢印キーで 1 フレームずつ、Ctrl+Z で元に戻します。",
}


def page(english: str, words: Words, language: str) -> str:
    """The help page of one node in one language."""
    inputs, outputs, example = HEADINGS[language]
    parts = [f"# {words['display_name']}"]
    parts += [f"![{words['display_name']}]({name})" for name in PICTURE.findall(english)]
    parts.append(words["description"])
    if TIMED in english:
        parts.append(TIMELINE[language])
    if words["inputs"]:
        parts += [f"## {inputs}", listed(words["inputs"])]
    if words["outputs"]:
        parts += [f"## {outputs}", listed(words["outputs"])]
    templates = ", ".join(f"*{name}*" for name in dict.fromkeys(TEMPLATE.findall(english)))
    hint = TEMPLATES[language].format(templates) if templates else ALONE[language]
    parts += [f"## {example}", *CODE.findall(english), hint]
    return "\n\n".join(parts) + "\n"


def listed(words: Words) -> str:
    """A line for each input or output; an input has its own name beside the translated one."""
    lines = []
    for name, texts in words.items():
        own = "" if name.isdigit() or texts["name"] == name else f" ({name})"
        lines.append(f"- **{texts['name']}**{own}: {texts['tooltip']}")
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    """Every translated page by its place."""
    result = {}
    for language in LANGUAGES:
        for node, words in read(language, NODES).items():
            english = (DOCS / f"{node}.md").read_text("utf-8")
            result[DOCS / node / f"{language}.md"] = page(english, words, language)
    return result


def main() -> None:
    result = pages()
    for place, text in result.items():
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
    print(f"{len(result)} pages in {len(LANGUAGES)} languages")


if __name__ == "__main__":
    main()
