// Pictures that open large: <a data-large href="picture.webp"><img alt="what it shows" …></a>, those of one [data-row] one
// after the other at the same place. Without a script the link shows the picture.
(() => {
  const image = document.createElement("img");
  const caption = document.createElement("p");
  const dialog = document.createElement("dialog");
  const bar = document.createElement("div");
  let row = [];
  let place = 0;

  const show = (step) => {
    place = (place + step + row.length) % row.length;
    const text = row[place].querySelector("img").alt;
    image.src = row[place].href;
    image.alt = text;
    caption.textContent = row.length > 1 ? `${text} (${place + 1} of ${row.length})` : text;
  };

  const button = (text, act) => {
    const element = document.createElement("button");
    element.type = "button";
    element.className = "button";
    element.textContent = text;
    element.addEventListener("click", act);
    bar.append(element);
    return element;
  };

  const steps = [button("← Previous", () => show(-1)), button("Next →", () => show(1))];
  button("Close", () => dialog.close());
  dialog.className = "large";
  dialog.setAttribute("aria-label", "Picture, large");
  dialog.append(image, caption, bar);
  document.body.append(dialog);

  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog || target === image) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(step);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-large]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    row = Array.from(link.closest("[data-row]")?.querySelectorAll("a[data-large]") ?? [link]);
    place = row.indexOf(link);
    for (const step of steps) step.hidden = row.length < 2;
    show(0);
    dialog.showModal();
  });
})();
