// Search, filters and download of the table of quantizers.
function quantizers(section) {
  const tools = section.querySelector(".tools");
  const table = section.querySelector("table.sortable");
  if (!tools || !table) return;
  const [search, on, changed] = ["search", "on", "changed"].map(name => tools.querySelector(`[name=${name}]`));
  const shown = tools.querySelector("output");
  const rows = Array.from(table.tBodies[0].rows);

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = (on.checked && !row.classList.contains("on"))
        || (Boolean(changed) && changed.checked && !row.classList.contains("changed"))
        || !words.every(word => text.includes(word));
      if (!row.hidden) count += 1;
    }
    shown.textContent = `${count} of ${rows.length}`;
  }

  function plain(cell) {
    const copy = cell.cloneNode(true);
    for (const extra of copy.querySelectorAll(".evidence, svg, details")) extra.remove();
    const text = copy.textContent.trim().replace(/\s+/g, " ");
    // A spreadsheet would compute what begins like a formula.
    const safe = /^[=+@]|^-(?![\d.∞])/.test(text) ? `'${text}` : text;
    return `"${safe.replace(/"/g, '""')}"`;
  }

  function download() {
    const lines = [table.tHead.rows[0], ...Array.from(table.tBodies[0].rows).filter(row => !row.hidden)];
    const text = lines.map(row => Array.from(row.cells, plain).join(",")).join("\r\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", text, "\r\n"], {type: "text/csv"}));
    link.download = "quantizers.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  tools.hidden = false;
  search.addEventListener("input", filter);
  for (const box of [on, changed]) if (box) box.addEventListener("change", filter);
  tools.querySelector("button").addEventListener("click", download);
  section.addEventListener("reveal", event => {
    if (changed && event.target.contains(changed) && event.target !== section) {
      search.value = "";
      changed.checked = true;
    } else if (event.target.hidden) {
      search.value = "";
      for (const box of [on, changed]) if (box) box.checked = false;
    }
    filter();
  });
  filter();
}

for (const section of document.querySelectorAll("#quantizers")) quantizers(section);
