"""Tables of a report as text, which HTML and Markdown draw in their own ways."""

from typing import Callable, Mapping, NamedTuple, Optional, Sequence

from quant_accuracy.reporting.gate_table import NOTHING, number

# What a column holds: it decides how the column is aligned and sorted.
NUMBER, NAME, TEXT, PROSE, OUTCOME = "number", "name", "text", "prose", "outcome"
INFINITE = "∞"
# Of a list of names, so many are shown; all of them are in the JSON.
NAMES = 4
Ends = Optional[Sequence[float]]


class Column(NamedTuple):
    """A column: its heading, what it holds, and how it is sorted to begin with, in the words of `aria-sort`."""

    name: str
    form: str = NUMBER
    order: str = ""


class Link(NamedTuple):
    """A link within the page: its text, and the anchor that it leads to."""

    text: str
    anchor: str


class Cell(NamedTuple):
    """What stands in a cell.

    Attributes:
        text: The text.
        small: What stands below it in small print.
        key: What to sort by, where the text does not begin with it.
        links: What the page links to below it.
        anchor: Of the first cell of a row: what the page's links call the row.
        marks: Of the first cell of a row: words that the page tells its rows apart by.
        svg: What the page draws below it; everything from data in it is escaped.
    """

    text: str
    small: str = ""
    key: str = ""
    links: Sequence[Link] = ()
    anchor: str = ""
    marks: Sequence[str] = ()
    svg: str = ""

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return self.text == NOTHING and not self.small


class Table(NamedTuple):
    """A table, whose first column names its rows.

    Attributes:
        label: What the table is called.
        columns: Its columns.
        rows: Its cells, row by row.
        sortable: Whether a reader may sort it.
        marked: The rows that stand out, by their place.
    """

    label: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = False
    marked: Sequence[int] = ()

    @property
    def judged(self) -> bool:
        """Whether each of its rows has a verdict."""
        return self._verdicts() == 1

    @property
    def wide(self) -> bool:
        """Whether it has too much in a row for a phone: many columns, a sentence, or several verdicts."""
        return len(self.columns) > 5 or self._verdicts() > 1 or any(column.form == PROSE for column in self.columns)

    def _verdicts(self) -> int:
        return sum(column.form == OUTCOME for column in self.columns)


class Fact(NamedTuple):
    """A name, what is known of it, and a remark, as text."""

    name: str
    value: str
    remark: str = ""


class Group(NamedTuple):
    """Entries that belong together."""

    name: str
    entries: Sequence[Fact]


def between(ends: Ends, write: Callable[[float], str] = number) -> str:
    """An interval or a range: `0.0080 .. 0.0123`; nothing where it is not known."""
    # A line may end in the middle only.
    return "" if ends is None else "\N{NO-BREAK SPACE}.. ".join(map(write, ends))


def named(names: Sequence[str]) -> str:
    """The first of these names, and how many more there are."""
    more = len(names) - NAMES
    return ", ".join(names[:NAMES]) + (f" and {more} more" if more > 0 else "")


def decibels(value: Optional[float]) -> str:
    """A ratio of signal to noise; without any noise it is infinite."""
    return INFINITE if value is None else f"{value:.1f}"


def percent(value: Optional[float]) -> str:
    """A share of the whole."""
    return NOTHING if value is None else f"{100 * value:.0f} %"


def numbers(*values: Optional[float]) -> Sequence[Cell]:
    """A cell for each."""
    return [Cell(number(value)) for value in values]


class Figures(NamedTuple):
    """A column of figures: its heading, the values by row, and where they lie as far as it is known."""

    heading: str
    values: Mapping[str, Optional[float]]
    intervals: Mapping[str, Ends] = {}


def compare(label: str, heading: str, names: Sequence[str], columns: Sequence[Figures], order: str = "") -> Table:
    """A table that sets variants, and what they lose, side by side.

    Args:
        label: What the table is called.
        heading: What its rows are.
        names: The rows.
        columns: The figures.
        order: The column that the rows are sorted by, worst first, and that a reader may sort otherwise; none of them
            where it is empty.
    """
    def cell(column: Figures, name: str) -> Cell:
        value = column.values.get(name)
        return Cell(number(value), "" if value is None else between(column.intervals.get(name)))

    rows = [[Cell(name), *(cell(column, name) for column in columns)] for name in names]
    return Table(label, [Column(heading, NAME), *(Column(column.heading, order="descending" if column.heading == order
                                                         else "") for column in columns)], rows, bool(order))


def drops(before: Mapping[str, Optional[float]], after: Mapping[str, Optional[float]]) -> Mapping[str, Optional[float]]:
    """First - second by name, where both are known."""
    return {name: drop(before.get(name), after.get(name)) for name in {*before, *after}}


def worst_first(before: Mapping[str, Optional[float]], after: Mapping[str, Optional[float]]) -> Sequence[str]:
    """The names by how much was lost, most first; those without a figure come last."""
    def loss(name: str) -> float:
        lost = drop(before.get(name), after.get(name))
        return float("-inf") if lost is None else lost

    return sorted(sorted({*before, *after}), key=loss, reverse=True)


def drop(before: Optional[float], after: Optional[float]) -> Optional[float]:
    """Float - quantized, where both are known."""
    return None if before is None or after is None else before - after
