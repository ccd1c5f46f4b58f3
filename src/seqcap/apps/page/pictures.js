// Pictures of an answer, as SVG that follows the page's colours.

const NAMES = 80, GREATEST_WIDTH = 640, MARGINS = 60;

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children);
  return element;
}

export const colour = (index) => `var(--e${index % 7})`;

function filled(attributes, index) {
  const element = svg("rect", attributes);
  element.style.fill = colour(index);
  return element;
}

function wave(samples, seconds, x) {
  const columns = 400, size = Math.max(1, Math.floor(samples.length / columns));
  const peak = samples.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6);
  let path = "";
  for (let i = 0; i < samples.length; i += size) {
    const block = samples.subarray(i, i + size);
    const top = block.reduce((a, b) => Math.max(a, b)), bottom = block.reduce((a, b) => Math.min(a, b));
    const at = x(i / samples.length * seconds).toFixed(1);
    path += `M${at} ${(24 - 22 * top / peak).toFixed(1)}V${(24.5 - 22 * bottom / peak).toFixed(1)}`;
  }
  return svg("path", { class: "wave", d: path });
}

function axis(seconds, x, y) {
  const room = Math.max(2, (x(seconds) - x(0)) / 50);
  const step = [0.5, 1, 2, 5, 10, 30, 60, 300].find((s) => seconds / s <= room) ?? 600;
  const marks = [];
  for (let s = 0; s <= seconds; s += step) {
    marks.push(svg("text", { x: x(s), y, "text-anchor": s ? (s + step > seconds ? "end" : "middle") : "start" }, `${s} s`));
  }
  return marks;
}

// Wave form, and a row of shaded cells for each emotion.
export function timelinePicture(emotions, samples, seconds, cells, label) {
  const pictureWidth = Math.min(GREATEST_WIDTH, document.documentElement.clientWidth - MARGINS);
  const x = (s) => NAMES + (pictureWidth - NAMES) * Math.min(1, s / seconds);
  const top = samples ? 52 : 2; // below the wave form
  const height = top + 18 * emotions.length + 22;
  const picture = svg("svg", { viewBox: `0 0 ${pictureWidth} ${height}`, role: "img", "aria-label": label });
  if (samples) picture.append(wave(samples, seconds, x));
  emotions.forEach((emotion, row) => {
    const y = top + 18 * row;
    picture.append(svg("text", { x: 0, y: y + 12 }, emotion));
    for (const { start, end, values } of cells.filter((one) => one.values)) { // without "no speech"
      const width = Math.max(0.5, x(end) - x(start));
      picture.append(svg("rect", { class: "line", x: x(start), y, width, height: 15, fill: "none", "stroke-width": 0.5 }));
      const cell = filled({ x: x(start), y, width, height: 15, "fill-opacity": values[row].toFixed(3) }, row);
      cell.append(svg("title", {}, `${emotion} ${values[row].toFixed(2)}, ${start.toFixed(1)} to ${end.toFixed(1)} s`));
      picture.append(cell);
    }
  });
  picture.append(...axis(seconds, x, height - 4));
  return picture;
}

// One labelled bar for each emotion; call what is returned with probabilities.
export function bars(container, emotions) {
  const rows = emotions.map((emotion, index) => {
    const name = document.createElement("span");
    name.textContent = emotion;
    const bar = document.createElement("div");
    bar.className = "bar";
    bar.setAttribute("role", "meter");
    bar.setAttribute("aria-label", emotion);
    bar.setAttribute("aria-valuemin", "0");
    bar.setAttribute("aria-valuemax", "1");
    const fill = document.createElement("div");
    fill.style.background = colour(index);
    bar.append(fill);
    const value = document.createElement("output");
    container.append(name, bar, value);
    return { bar, fill, value };
  });
  return (probabilities) => rows.forEach(({ bar, fill, value }, i) => {
    const share = probabilities ? probabilities[i] : 0; // no speech
    bar.setAttribute("aria-valuenow", share.toFixed(6));
    fill.style.width = `${100 * share}%`;
    value.textContent = probabilities ? share.toFixed(2) : "";
  });
}
