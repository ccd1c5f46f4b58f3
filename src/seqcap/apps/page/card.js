// The model's card, Markdown, as elements: headings, paragraphs, lists and tables.

const plain = (text) => text.replaceAll("`", "").replaceAll("**", "");

export function cardElements(markdown) {
  return markdown.replace(/^---\n.*?\n---\n/s, "").replace(/<!--.*?-->/gs, "").trim().split(/\n{2,}/).flatMap((block) => {
    const heading = block.match(/^(#+) (.*)(?:\n|$)/);
    if (heading) return [made("h3", plain(heading[2])), ...cardElements(block.slice(heading[0].length))];
    if (!block) return [];
    if (block.startsWith("|")) return [table(block.split("\n").filter((line) => !/^\|[-:|]+$/.test(line)))];
    if (/^(```|    )/.test(block)) return [made("pre", block)];
    if (!/^[-*] /.test(block)) return [made("p", plain(block.replaceAll("\n", " ")))];
    const list = made("ul", "");
    list.append(...block.split(/\n(?=[-*] )/).map((item) => made("li", plain(item.slice(2).replace(/\s*\n\s*/g, " ")))));
    return [list];
  });
}

function table(lines) {
  const found = made("table", "");
  found.append(...lines.map((line, i) => {
    const row = made("tr", "");
    row.append(...line.split("|").slice(1, -1).map((cell) => made(i ? "td" : "th", plain(cell.trim()))));
    return row;
  }));
  return found;
}

function made(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
