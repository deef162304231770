"""The boxes over a picture as SVG, with a number for each item in the margin, where it covers nothing."""

import html
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from quant_accuracy.reporting.page.shots import Item, Mark

# Units of the drawing: the longer side of the picture, and on either side of it the margin for numbers.
_SIDE, _MARGIN = 560.0, 26.0
_LINE = 15.0


def draw(image: Mapping[str, Any]) -> Dict[str, str]:
    """The drawing, and where the picture lies in it, in percent of its width."""
    scale = _SIDE / max(image["width"], image["height"])
    width, height = image["width"] * scale, image["height"] * scale
    # A flat picture has less height than its numbers need.
    whole, tall = width + 2 * _MARGIN, max(height, _LINE * 2)
    places = _places(image["items"], scale, width, tall)
    parts = [_group(item, scale, places[item.number], width) for item in _large_first(image["items"])]
    svg = (f'<svg class="boxes" viewBox="{-_MARGIN:g} 0 {whole:.1f} {tall:.1f}" role="img" '
           f'aria-label="Boxes on image {html.escape(image["id"])}; the list beside it names them">\n'
           f'{"".join(parts)}</svg>')
    return {"svg": svg, "left": f"{100 * _MARGIN / whole:.3f}", "width": f"{100 * width / whole:.3f}",
            "ratio": f"{whole:.1f} / {tall:.1f}", "most": f"{whole:.0f}"}


def _large_first(items: Sequence[Item]) -> List[Item]:
    """A pointer finds what is small on top."""
    return sorted(items, key=lambda item: -max(mark.width * mark.height for mark in item.marks))


def _places(items: Sequence[Item], scale: float, width: float, height: float) -> Dict[int, Tuple[float, float]]:
    """Where the number of each item stands: at the nearer side, at its height as far as there is room."""
    sides: Dict[bool, List[Tuple[float, Item]]] = {False: [], True: []}
    for item in items:
        mark = item.marks[0]
        middle = (mark.left + mark.width / 2) * scale
        sides[middle > width / 2].append(((mark.top + mark.height / 2) * scale, item))
    found: Dict[int, Tuple[float, float]] = {}
    for right, listed in sides.items():
        # What is seen at first has places of its own; the others, and more than have room, share them.
        room = max(1, int(height / _LINE))
        for seen in (True, False):
            chosen = [pair for pair in listed if pair[1].seen == seen]
            for start in range(0, len(chosen), room):
                heights = _spread([y for y, _ in chosen[start:start + room]], height)
                found.update({item.number: (width if right else 0.0, y)
                              for (_, item), y in zip(chosen[start:start + room], heights)})
    return found


def _spread(wanted: Sequence[float], height: float) -> List[float]:
    """Heights near those that are wanted, a line apart; there is room for all."""
    found, low = [0.0] * len(wanted), _LINE / 2
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    for rank, place in enumerate(order):
        low = min(max(wanted[place], low), height - _LINE / 2 - (len(order) - rank - 1) * _LINE)
        found[place] = low
        low += _LINE
    return found


def _group(item: Item, scale: float, place: Tuple[float, float], width: float) -> str:
    x, y = place
    mark, right = item.marks[0], x > 0
    near = (mark.left + (mark.width if right else 0)) * scale
    told = f"{item.number} {item.name}: {item.told_scores}" + (f", IoU {item.told_ious}" if item.told_ious else "")
    text = f'<text x="{x + 5 if right else x - 5:.1f}" y="{y + 4:.1f}"' \
           f'{"" if right else " text-anchor=" + chr(34) + "end" + chr(34)}>{item.number}</text>'
    line = f'<path class="lead" d="M{x:.1f} {y:.1f} L{min(max(near, 0), width):.1f} ' \
           f'{(mark.top + mark.height / 2) * scale:.1f}"/>'
    boxes = "".join(_box(box, scale) for box in item.marks)
    return (f'<g class="item{"" if item.seen else " off"}" data-item="{item.number}"><title>{html.escape(told)}</title>'
            f'{line}{text}{boxes}</g>\n')


def _box(mark: Mark, scale: float) -> str:
    place = " ".join(f'{name}="{value * scale:.1f}"' for name, value in (
        ("x", mark.left), ("y", mark.top), ("width", mark.width), ("height", mark.height)))
    light = f'<rect class="truth light" {place}/>' if mark.variant == "truth" else ""
    return f'{light}<rect class="{mark.variant} {mark.style}" data-score="{mark.score:.4f}" {place}/>'
