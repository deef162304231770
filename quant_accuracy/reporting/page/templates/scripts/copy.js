// A button beside the command line of the run.
for (const code of document.querySelectorAll(".command code")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const range = document.createRange();
    range.selectNodeContents(code);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch (error) {
      // A browser that forbids it has the command selected, to be copied by hand.
      button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
    }
  });
  code.after(button);
}
