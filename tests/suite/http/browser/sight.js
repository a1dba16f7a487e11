// What somebody with weak eyes, or a reader that reads aloud, would miss on this page: a line each.
const missed = [];
const told = (element) => (element.textContent || element.outerHTML).trim().slice(0, 60);

const channels = (color) => (color.match(/[\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => {
  const part = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const ground = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const color = channels(getComputedStyle(each).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};

const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  const box = element.getBoundingClientRect();
  if (!texts.currentNode.textContent.trim() || box.width < 2 || element.closest("script, title, .unseen")) continue;
  const [one, other] = [light(channels(getComputedStyle(element).color)), light(ground(element))];
  const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (contrast < 4.5) missed.push(`contrast ${contrast.toFixed(2)}: ${told(element)}`);
}
for (const field of document.querySelectorAll("input:not([type=hidden], [hidden]), textarea, select")) {
  if (!field.labels.length) missed.push(`no label: ${field.outerHTML}`);
}
for (const element of document.querySelectorAll("a[href], button")) {
  if (!element.textContent.trim() && !element.getAttribute("aria-label")) missed.push(`no name: ${element.outerHTML}`);
}
for (const table of document.querySelectorAll("table")) {
  if (!table.caption || !table.querySelector("th[scope]")) missed.push(`no caption or headings: ${told(table)}`);
}
for (const image of document.querySelectorAll("img:not([alt]), svg:not([aria-label], [aria-hidden])")) {
  missed.push(`no words: ${image.outerHTML.slice(0, 60)}`);
}
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => missed.push(`twice: #${id}`));
for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
  const named = element.getAttribute("aria-labelledby") || element.getAttribute("aria-describedby");
  if (!document.getElementById(named)) missed.push(`names nothing: ${named}`);
}
if (document.querySelectorAll("h1").length !== 1) missed.push(`${document.querySelectorAll("h1").length} headings of the page`);
if (!document.documentElement.lang || !document.title) missed.push("no language or no title");
return missed;
