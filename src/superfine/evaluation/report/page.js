"use strict";
// Sorts the tables and moves the sliders. All content is in the page; nothing is fetched.

const LARGEST = 960; // CSS pixels of a slider's longer side

// Empty cells stay last in either direction; rows that are equal keep their order.
function sortBy(header) {
  const table = header.closest("table");
  const column = [...table.tHead.rows[table.tHead.rows.length - 1].cells].indexOf(header);
  const now = header.getAttribute("aria-sort");
  const direction = now ? (now === "ascending" ? "descending" : "ascending") : header.dataset.first || "ascending";
  for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const numeric = header.dataset.kind === "number";
  const collator = new Intl.Collator("en", { numeric: true });
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: row.cells[column].dataset.value ?? "" }));
  rows.sort((a, b) => {
    if (a.value === "" || b.value === "") return (a.value === "") - (b.value === "");
    if (!numeric) return sign * collator.compare(a.value, b.value);
    const [x, y] = [Number(a.value), Number(b.value)];
    return x === y ? 0 : sign * (x < y ? -1 : 1);
  });
  table.tBodies[0].append(...rows.map(({ row }) => row));
}

for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

function start(viewer) {
  const stage = viewer.querySelector(".stage");
  const pictures = [...stage.querySelectorAll("img")];
  const range = viewer.querySelector("input[type=range]");
  const sides = ["left", "right"].map((side) => ({
    side,
    select: viewer.querySelector(`select.${side}`),
    values: viewer.querySelector(`.values.${side}`),
  }));
  const { width, height } = pictures[0];

  function show() {
    stage.style.setProperty("--at", `${range.value}%`);
    for (const { side, select, values } of sides) {
      for (const picture of pictures) picture.classList.toggle(side, picture.dataset.method === select.value);
      values.textContent = select.selectedOptions[0].dataset.values;
    }
    const [left, right] = sides.map(({ select }) => select.value);
    range.setAttribute("aria-valuetext", `${Math.round(range.value)}%: ${left} to the left, ${right} to the right`);
  }

  // Whole squares for pixels, where there is room for the picture at all.
  function fit() {
    const room = viewer.parentElement.clientWidth;
    const times = Math.max(1, Math.floor(Math.min(room / width, LARGEST / width, LARGEST / height)));
    const shown = Math.min(room, times * width);
    range.style.width = stage.style.width = `${shown}px`;
    stage.style.height = `${(shown * height) / width}px`;
  }

  function follow(event) {
    const box = stage.getBoundingClientRect();
    range.value = (100 * (event.clientX - box.left)) / box.width;
    show();
  }

  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  });
  stage.addEventListener("dragstart", (event) => event.preventDefault());
  range.addEventListener("input", show);
  for (const { select } of sides) select.addEventListener("change", show);
  addEventListener("resize", fit);
  viewer.classList.add("live");
  fit();
  show();
}

document.querySelectorAll(".viewer").forEach(start);
