"use strict";
// Tables sort and filter, pictures open, films run. Without this script everything is there all the same, only still.
const announce = (text) => { document.getElementById("announce").textContent = text; };
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

function sortable(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const order = new Map([...body.rows].map((row, index) => [row, index]));
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.key === undefined ? cell.textContent.trim() : Number(cell.dataset.key);
  };
  const compare = (left, right) => {
    if (left === "" || right === "") return (left === "") - (right === "");  // what is missing comes last either way
    if (typeof left === "number" && typeof right === "number") return left - right;
    return String(left).localeCompare(String(right), undefined, { numeric: true });
  };
  heads.forEach((head, column) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => {
        const left = key(a, column), right = key(b, column);
        return (down && left !== "" && right !== "" ? -1 : 1) * compare(left, right) || order.get(a) - order.get(b);
      });
      body.append(...rows);
      announce(`Sorted by ${head.textContent}, ${down ? "descending" : "ascending"}.`);
    });
  });
}

function filterable(box, table) {
  const rows = [...table.tBodies[0].rows], heads = [...table.tHead.rows[0].cells];
  const search = make("input", { type: "search", placeholder: "words or numbers", autocomplete: "off" });
  const shown = make("output");
  const tools = make("div", { className: "tools" }, make("label", {}, "find rows", search));
  const picks = heads.flatMap((head, column) => {
    if (!head.dataset.choices) return [];
    const select = make("select", {}, make("option", { value: "" }, "all"), ...JSON.parse(head.dataset.choices).map((choice) => make("option", {}, choice)));
    tools.append(make("label", {}, head.textContent.trim(), select));
    return [{ select, column }];
  });
  const plain = (text) => text.toLowerCase().replaceAll("\u2212", "-").replace(/[\s\u00a0]+/g, " ");
  const words = (cell) => plain(cell.textContent.replace(/^[▲●▼○]\s*/, "")).trim();
  const update = () => {
    const wanted = plain(search.value).split(" ").filter(Boolean);
    const left = rows.filter((row) => {
      const text = plain(row.textContent);
      row.hidden = !wanted.every((word) => text.includes(word)) || !picks.every(({ select, column }) => !select.value || words(row.cells[column]) === plain(select.value));
      return !row.hidden;
    }).length;
    shown.textContent = left === rows.length ? `${rows.length} rows` : `${left} of ${rows.length} rows`;
  };
  tools.append(shown);
  tools.addEventListener("input", update);
  box.prepend(tools);
  update();
}

function viewer(dialog) {
  const stage = dialog.querySelector(".stage"), facts = dialog.querySelector("dl"), place = dialog.querySelector(".steps span");
  let links = [], at = 0;
  const show = (index) => {
    at = (index + links.length) % links.length;
    const link = links[at], row = document.getElementById(link.hash.slice(1));
    const heads = [...row.closest("table").tHead.rows[0].cells];
    dialog.querySelector("h2").textContent = link.title;
    stage.replaceChildren(...[...link.querySelectorAll("img")].map((image) => image.cloneNode()));
    facts.replaceChildren(...[...row.cells].flatMap((cell, k) => [make("dt", {}, heads[k].textContent), make("dd", {}, cell.textContent || "–")]));
    place.textContent = `${at + 1} of ${links.length}`;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".gallery li a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    links = [...link.closest("ul").querySelectorAll("a")];
    show(links.indexOf(link));
    dialog.showModal();
  });
  dialog.addEventListener("close", () => links[at].focus());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
    else if (event.target.dataset.step) show(at + Number(event.target.dataset.step));
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) show(at + step);
  });
}

function film(strip) {
  const frames = [...strip.querySelectorAll("li")], last = frames.length - 1;
  const slider = make("input", { type: "range", min: 0, max: last, value: last, step: 1 });
  slider.setAttribute("aria-label", strip.querySelector("figcaption").textContent);
  const show = () => {
    frames.forEach((frame, index) => { frame.hidden = index !== Number(slider.value); });
    slider.setAttribute("aria-valuetext", frames[slider.value].textContent.trim());
  };
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = "play"; };
  const play = make("button", { type: "button" }, "play");
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) === last) slider.value = 0;
    play.textContent = "stop";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (Number(slider.value) === last) stop();
    }, 300);
    return show();
  });
  slider.addEventListener("input", () => { stop(); show(); });
  strip.prepend(make("div", { className: "reel" }, slider, play));
  show();
}

document.querySelectorAll(".table").forEach((box) => {
  const table = box.querySelector("table");
  sortable(table);
  if (box.dataset.search !== undefined) filterable(box, table);
});
document.querySelectorAll(".film").forEach(film);
viewer(document.getElementById("viewer"));

const entries = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const reading = new IntersectionObserver((seen) => seen.filter((part) => part.isIntersecting).forEach((part) => {
  entries.forEach((link) => link.removeAttribute("aria-current"));
  entries.get(part.target.id)?.setAttribute("aria-current", "true");
}), { rootMargin: "-10% 0px -70% 0px" });
document.querySelectorAll("main > section").forEach((section) => reading.observe(section));
