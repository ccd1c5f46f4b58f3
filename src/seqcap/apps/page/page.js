// The page: record or drop sound, see answers.

import { cardElements } from "./card.js";
import { SENTENCES } from "./checks.js";
import { csv, save, textGrid } from "./downloads.js";
import { bars, timelinePicture } from "./pictures.js";
import { decide, loadRecognizer } from "./recognition.js";
import { decode, Microphone, RATE, wav } from "./sound.js";

const HORIZON_S = 5, REFRESH_MS = 500, LIVE_S = 30;
const at = (id) => document.getElementById(id);
const answers = []; // newest first
let recognizer, microphone, recordingCount = 0;

const threshold = () => Number(at("abstain").value);
const named = (probabilities) => decide(recognizer.model.emotions, probabilities, threshold());
const tell = (problem) => { at("problem").textContent = problem; };

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function button(text, action) {
  const made = element("button", text);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

function rowsOf(answer) {
  return answer.pieces.map((piece) => ({ ...piece, file: answer.name, predicted: named(piece.probabilities), warnings: [] }));
}

function show(answer) {
  const { emotions } = recognizer.model;
  const card = element("article", "", "answer");
  const predicted = element("strong", "", "predicted");
  const head = element("p");
  head.append(predicted, element("span", ` ${answer.seconds.toFixed(2)} s`, "quiet"));
  const chart = element("div", "", "bars");
  bars(chart, emotions)(answer.probabilities);
  card.append(element("h2", answer.name), head);
  card.append(...answer.warnings.map((warning) => element("p", `Warning: ${SENTENCES[warning] ?? warning}`, "warning")), chart);
  const cells = answer.pieces.map(({ start, end, probabilities }) => ({ start, end, values: probabilities }));
  card.append(timelinePicture(emotions, answer.samples, answer.seconds, cells, "Probabilities of every 2 seconds"));
  if (answer.couplings) card.append(couplingsPicture(answer));
  const actions = element("div", "", "actions");
  const stem = answer.name.replace(/\.[^.]*$/, "");
  actions.append(
    button("Time line as CSV", () => save(`${stem}.csv`, csv(emotions, rowsOf(answer)))),
    button("Time line as TextGrid", () => save(`${stem}.TextGrid`, textGrid(rowsOf(answer), answer.seconds))),
    button("Sound as WAV", () => save(`${stem}.wav`, wav(answer.samples))),
  );
  card.append(actions);
  answer.update = () => { predicted.textContent = named(answer.probabilities); };
  answer.update();
  answers.unshift(answer);
  at("answers").prepend(card);
  at("all-csv").hidden = false;
}

function couplingsPicture({ couplings: { values, windows }, times, seconds }) {
  const { emotions } = recognizer.model;
  const greatest = Math.max(...values, 1e-6);
  const timeOf = (window) => times[Math.min(times.length - 1, Math.floor(window / windows * times.length))];
  const cells = Array.from({ length: windows }, (_, i) => ({
    start: timeOf(i), end: timeOf(i + 1),
    values: emotions.map((_, k) => values[i * emotions.length + k] / greatest),
  }));
  const details = element("details");
  details.append(element("summary", "Which moments the capsules listened to, by emotion"));
  details.append(
    element("p", "Couplings alone explain an answer no better than loudness does; seqcap explain shows what counted.", "quiet"),
    timelinePicture(emotions, null, seconds, cells, "Couplings of every window"),
  );
  return details;
}

async function recognize(name, samples, warnings) {
  const found = await recognizer.recognize(samples);
  show({ ...found, name, samples, seconds: samples.length / RATE, warnings });
}

async function takeFiles(files) {
  tell("");
  for (const file of files) {
    try {
      const { samples, warnings } = await decode(await file.arrayBuffer(), file.name);
      await recognize(file.name, samples, warnings);
    } catch (error) {
      tell(error.message);
    }
  }
}

async function follow(current, update) {
  const cells = [];
  while (microphone === current) {
    await new Promise((resolve) => { setTimeout(resolve, REFRESH_MS); });
    const end = current.seconds;
    if (microphone !== current || end < 0.1) continue;
    const probabilities = await recognizer.live(current.recent());
    if (microphone !== current) break;
    update(probabilities);
    at("live-answer").textContent = named(probabilities);
    at("live-seconds").textContent = `last ${Math.min(HORIZON_S, end).toFixed(1)} of ${end.toFixed(1)} s`;
    cells.push({ start: cells.at(-1)?.end ?? 0, end, values: probabilities });
    const shift = Math.max(0, end - LIVE_S);
    const shown = cells.filter((c) => c.start >= shift)
      .map((c) => ({ ...c, start: c.start - shift, end: c.end - shift }));
    at("live-timeline").replaceChildren(
      timelinePicture(recognizer.model.emotions, null, Math.max(5, Math.min(LIVE_S, end)), shown, "Live time line"),
    );
  }
}

async function record() {
  tell("");
  try {
    const current = new Microphone(HORIZON_S);
    await current.start();
    microphone = current;
    at("live-bars").replaceChildren();
    at("live").hidden = false;
    at("record").setAttribute("aria-pressed", "true");
    at("record-text").textContent = "Stop";
    follow(current, bars(at("live-bars"), recognizer.model.emotions)).catch((error) => tell(error.message));
  } catch (error) {
    tell(`The microphone cannot be used (${error.message}); allow it, or drop a file`);
  }
}

async function stop() {
  const current = microphone;
  microphone = undefined;
  at("record").setAttribute("aria-pressed", "false");
  at("record-text").textContent = "Record";
  at("live").hidden = true;
  try {
    const { samples, warnings } = await current.stop();
    recordingCount += 1;
    await recognize(`recording ${recordingCount}`, samples, warnings);
  } catch (error) {
    tell(error.message);
  }
}

function connect() {
  at("record").addEventListener("click", () => (microphone ? stop() : record()));
  at("files").addEventListener("change", async ({ target }) => { await takeFiles([...target.files]); target.value = ""; });
  at("abstain").addEventListener("input", () => {
    at("abstain-value").textContent = threshold().toFixed(2);
    answers.forEach((answer) => answer.update());
  });
  at("all-csv").addEventListener("click", () => {
    const rows = answers.toReversed().map((a) => ({ ...a, file: a.name, start: 0, end: a.seconds, predicted: named(a.probabilities) }));
    save("emotions.csv", csv(recognizer.model.emotions, rows));
  });
  addEventListener("dragover", (event) => { event.preventDefault(); at("drop").classList.add("over"); });
  addEventListener("dragleave", () => at("drop").classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    at("drop").classList.remove("over");
    if (recognizer) takeFiles([...event.dataTransfer.files]);
  });
  at("card-open").addEventListener("click", async () => {
    const response = await fetch("model/CARD.md");
    const markdown = response.ok ? await response.text() : "This model came without a card.";
    at("card-text").replaceChildren(...cardElements(markdown));
    at("card").showModal();
  });
}

connect();
try {
  recognizer = await loadRecognizer();
  at("place").textContent = recognizer.place;
  at("model-name").textContent = recognizer.model.name;
  at("record").disabled = at("files").disabled = false;
} catch (error) {
  at("place").textContent = "The model could not be loaded.";
  tell(error.message);
}
