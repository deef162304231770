// What a link leads to may lie in a part that is closed.
function open(anchor) {
  const target = anchor && document.getElementById(anchor);
  if (!target) return;
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
  target.dispatchEvent(new CustomEvent("reveal", {bubbles: true}));
  target.scrollIntoView();
}

function openNamed() {
  open(decodeURIComponent(location.hash.slice(1)));
}

window.addEventListener("hashchange", openNamed);
openNamed();
