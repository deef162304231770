// Boxes over pictures: which variants, from which score, of which class and change; the list and the boxes light up together.
function change(before, after, moved, score) {
  const was = before >= score;
  const now = after >= score;
  if (!was || !now) return was ? "lost" : now ? "gained" : "missed";
  if (moved) return moved;
  return Math.abs(after - before) >= 0.05 - 1e-9 ? "score" : "same";
}

function images(shots) {
  const tools = shots.querySelector(".tools");
  const field = name => tools.querySelector(`[name=${name}]`);
  const boxes = Array.from(tools.querySelectorAll("[type=checkbox]"));
  // A variant that lacks an item has it with no score at all.
  const score = (row, variant) => row.dataset[variant] ? Number(row.dataset[variant]) : -1;
  let touched = false;

  function show() {
    const chosen = new Set(boxes.filter(box => box.checked).map(box => box.name));
    const variants = boxes.map(box => box.name).filter(name => name !== "truth");
    for (const beside of shots.querySelectorAll(".beside")) {
      const least = touched ? Number(field("score").value) : Number(beside.dataset.score);
      for (const row of beside.querySelectorAll("tbody tr")) {
        const became = change(score(row, shots.dataset.first), score(row, shots.dataset.second),
          row.dataset.moved, least);
        const wanted = field("change").value;
        const seen = (row.dataset.object === "yes" && chosen.has("truth"))
          || variants.some(name => chosen.has(name) && score(row, name) >= least);
        row.querySelector(".change").textContent = became;
        row.hidden = !seen
          || (field("class").value !== "" && row.querySelector(".class").textContent !== field("class").value)
          || (wanted !== "" && wanted !== became && !(wanted === "any" && became !== "same" && became !== "missed"));
        const item = beside.querySelector(`.item[data-item="${row.dataset.item}"]`);
        item.classList.toggle("off", row.hidden);
        for (const box of item.querySelectorAll("rect")) {
          const name = box.classList[0];
          box.classList.toggle("off", !chosen.has(name) || (name !== "truth" && Number(box.dataset.score) < least));
        }
      }
    }
    tools.querySelector("output").textContent = Number(field("score").value).toFixed(2);
  }

  function light(beside, number, on) {
    for (const part of beside.querySelectorAll(`[data-item="${number}"]`)) part.classList.toggle("lit", on);
    beside.classList.toggle("dim", beside.querySelector(".item.lit") !== null);
  }

  for (const beside of shots.querySelectorAll(".beside")) {
    for (const part of beside.querySelectorAll("[data-item]")) {
      const pinned = () => beside.querySelector(`tr[data-item="${part.dataset.item}"] .pin`).getAttribute("aria-pressed");
      part.addEventListener("pointerenter", () => light(beside, part.dataset.item, true));
      part.addEventListener("pointerleave", () => light(beside, part.dataset.item, pinned() === "true"));
    }
    for (const pin of beside.querySelectorAll(".pin")) {
      pin.addEventListener("click", () => {
        const on = pin.getAttribute("aria-pressed") !== "true";
        pin.setAttribute("aria-pressed", String(on));
        light(beside, pin.closest("tr").dataset.item, on);
      });
    }
  }
  tools.hidden = false;
  field("score").addEventListener("input", () => { touched = true; });
  tools.addEventListener("input", show);
  show();
}

for (const shots of document.querySelectorAll(".shots")) images(shots);
