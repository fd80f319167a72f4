"""Draws `docs/banner.png`, which the Registry shows above the pack's page, from pictures of runs.

    python -m tools.draw_banner

21 by 9, as the Registry wants it. The rows are frames of the workflows' own results, from
`docs/workflows`; a bright bar below a frame marks known footage, a dashed one what was generated.
"""

from PIL import Image, ImageDraw, ImageFont

from tools.host import ROOT

WIDTH, HEIGHT = 1680, 720
BANNER = ROOT / "docs" / "banner.png"
ROWS = {  # strip of docs/workflows -> whether each of its frames is known footage
    "extend_video": (True, False, False),
    "connect_videos": (True, False, True),
    "text_to_video": (False, False, False),
}
INK, FAINT, KNOWN, DARK = "#f2efe9", "#a9a5a0", "#e08f5a", "#18181c"
FRAME, GAP, BAR, LEFT = 190, 14, 6, 980
TEXT_LEFT = 90
LINES = (
    ("Sora Nodes", 120, INK, 190),
    ("Known footage on a spacetime canvas,", 40, FAINT, 350),
    ("the rest is generated.", 40, FAINT, 402),
    ("Text, image and video to video in ComfyUI", 30, FAINT, 500),
)


def main() -> None:
    """Writes BANNER from LINES and ROWS, and prints its pixels and kilobytes."""
    banner = Image.new("RGB", (WIDTH, HEIGHT), DARK)
    draw = ImageDraw.Draw(banner)
    for text, size, colour, top in LINES:
        draw.text((TEXT_LEFT, top), text, colour, ImageFont.load_default(size))
    top = (HEIGHT - len(ROWS) * (FRAME + BAR + GAP) - 2 * GAP) // 2
    for row, (name, known) in enumerate(ROWS.items()):
        with Image.open(ROOT / "docs" / "workflows" / f"{name}.jpg") as strip:
            side = strip.height
            frames = [strip.crop((i * side, 0, (i + 1) * side, side)) for i in range(len(known))]
        y = top + row * (FRAME + BAR + 2 * GAP)
        for i, frame in enumerate(frames):
            x = LEFT + i * (FRAME + GAP)
            banner.paste(frame.resize((FRAME, FRAME), Image.Resampling.LANCZOS), (x, y))
            draw_bar(draw, x, y + FRAME + GAP // 2, known[i])
    banner.save(BANNER, optimize=True)
    print(BANNER.relative_to(ROOT), f"{WIDTH}x{HEIGHT}, {BANNER.stat().st_size / 1024:.0f} KB")


def draw_bar(draw: ImageDraw.ImageDraw, x: int, y: int, known: bool) -> None:
    dash = FRAME if known else FRAME // 10
    for start in range(0, FRAME, 2 * dash):
        end = min(start + dash, FRAME) - 1
        draw.rectangle((x + start, y, x + end, y + BAR - 1), KNOWN if known else FAINT)


if __name__ == "__main__":
    main()
