// Answers as files: the same columns and tiers as the command line writes.

export function save(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
const rounded = (value, digits) => String(Number(value.toFixed(digits)));

export function csv(emotions, rows) {
  const lines = [["file", "start", "end", ...emotions, "predicted", "warnings"]];
  for (const { file, start, end, probabilities, predicted, warnings } of rows) {
    const values = emotions.map((_, i) => (probabilities ? rounded(probabilities[i], 6) : ""));
    lines.push([file, rounded(start, 3), rounded(end, 3), ...values, predicted, warnings.join("; ")]);
  }
  return lines.map((line) => `${line.map(cell).join(",")}\n`).join("");
}

export function textGrid(rows, seconds) {
  const head = [
    'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", `xmax = ${seconds}`,
    "tiers? <exists>", "size = 1", "item []:", "    item [1]:", '        class = "IntervalTier"',
    '        name = "emotion"', "        xmin = 0", `        xmax = ${seconds}`,
    `        intervals: size = ${rows.length}`,
  ];
  const intervals = rows.flatMap(({ start, end, predicted }, i) => [
    `        intervals [${i + 1}]:`, `            xmin = ${start}`,
    `            xmax = ${i + 1 === rows.length ? seconds : end}`,
    `            text = "${predicted.replaceAll('"', '""')}"`,
  ]);
  return `${[...head, ...intervals].join("\n")}\n`;
}
