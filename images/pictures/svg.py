"""A few shapes of SVG, readable on light and on dark pages: each picture has a background of its own, and follows the reader's scheme."""

from __future__ import annotations

from xml.sax.saxutils import escape

STYLE = """
  .page { fill: #ffffff; stroke: #d0d7de; }
  .box { fill: #f6f8fa; stroke: #8c959f; }
  .ours { fill: #ddf4ff; stroke: #0969da; }
  .bad { fill: #ffebe9; stroke: #cf222e; }
  .line { stroke: #57606a; fill: none; stroke-width: 1.5; }
  .head { fill: #57606a; }
  text { fill: #1f2328; font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
  .small { font-size: 11.5px; fill: #57606a; }
  .strong { font-weight: 600; }
  .terminal text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  .step { font-weight: 600; fill: #0550ae !important; }
  .fault { fill: #cf222e !important; font-weight: 600; }
  .good { fill: #1a7f37 !important; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #3d444d; }
    .box { fill: #151b23; stroke: #656c76; }
    .ours { fill: #0c2d4d; stroke: #4493f8; }
    .bad { fill: #3c1618; stroke: #f85149; }
    .line { stroke: #9198a1; }
    .head { fill: #9198a1; }
    text { fill: #f0f6fc; }
    .small { fill: #9198a1; }
    .step { fill: #79c0ff !important; }
    .fault { fill: #ff7b72 !important; }
    .good { fill: #56d364 !important; }
  }
"""


class Picture:
    """What is drawn so far; `text()` is the file."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts = [f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>']

    def box(self, x: int, y: int, width: int, height: int, kind: str = "box") -> None:
        self.parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>')

    def words(self, x: int, y: int, text: str, kind: str = "", anchor: str = "start") -> None:
        attributes = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
        self.parts.append(f'<text x="{x}" y="{y}"{attributes}>{escape(text)}</text>')

    def labelled(self, x: int, y: int, width: int, height: int, lines: list[str], kind: str = "box") -> None:
        """A box with a name and smaller lines below it."""
        self.box(x, y, width, height, kind)
        self.words(x + 10, y + 20, lines[0], "strong")
        for number, line in enumerate(lines[1:], 1):
            self.words(x + 10, y + 20 + 17 * number, line, "small")

    def line(self, *points: tuple[int, int]) -> None:
        path = " ".join(f"{x},{y}" for x, y in points)
        self.parts.append(f'<polyline class="line" points="{path}"/>')

    def arrow(self, *points: tuple[int, int]) -> None:
        """Along straight pieces, with a head at its end."""
        self.line(*points)
        (x0, y0), (x, y) = points[-2:]
        dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
        back = (x - 8 * dx, y - 8 * dy)
        sides = [(back[0] + 4 * dy, back[1] + 4 * dx), (back[0] - 4 * dy, back[1] - 4 * dx)]
        corners = " ".join(f"{a},{b}" for a, b in [(x, y), *sides])
        self.parts.append(f'<polygon class="head" points="{corners}"/>')

    def text(self) -> str:
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}" '
                f'role="img" aria-label="{escape(self.title)}">\n<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n')
        return head + "\n".join(self.parts) + "\n</svg>\n"
