// The headings of sortable tables become buttons. Rows whose cell says nothing stay last in either direction.
const names = new Intl.Collator("en", {numeric: true});

function value(row, column, numeric) {
  const cell = row.cells[column];
  const text = cell.dataset.key || cell.textContent.trim();
  if (!numeric) return text === "–" ? null : text;
  const number = text.startsWith("∞") ? Infinity : Number.parseFloat(text);
  return Number.isNaN(number) ? null : number;
}

function sort(table, column, numeric, direction) {
  const body = table.tBodies[0];
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = Array.from(body.rows, row => ({row, key: value(row, column, numeric)}));
  keyed.sort((one, other) => {
    if (one.key === null || other.key === null) return (one.key === null) - (other.key === null);
    if (one.key === other.key) return 0;
    return sign * (numeric ? (one.key < other.key ? -1 : 1) : names.compare(one.key, other.key));
  });
  body.append(...keyed.map(item => item.row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = Array.from(table.tHead.rows[0].cells);
  headings.forEach((heading, column) => {
    const numeric = heading.classList.contains("number");
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const first = numeric ? "descending" : "ascending";
      const second = numeric ? "ascending" : "descending";
      const direction = heading.getAttribute("aria-sort") === first ? second : first;
      headings.forEach(other => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", direction);
      sort(table, column, numeric, direction);
    });
  });
}
