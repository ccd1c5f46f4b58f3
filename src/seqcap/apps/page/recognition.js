// Who recognises: this browser, or the server where it cannot.

import { keptBounds, RATE, wav } from "./sound.js";

const PIECE_S = 2, SHORTEST_PIECE_S = 0.5, FRAME = RATE / 100;

export async function loadRecognizer() {
  const model = await (await fetch("model/model.json")).json();
  try {
    return await inBrowser(model);
  } catch (error) {
    try {
      if ((await fetch("healthz")).ok) return onServer(model);
    } catch { /* a folder of files has no server behind it */ }
    throw error;
  }
}

async function inBrowser(model) {
  if (!model.graph) throw new Error("this page came without a model for browsers");
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const asked = new Map();
  let count = 0;
  const ask = (message) => new Promise((resolve, reject) => {
    count += 1;
    asked.set(count, { resolve, reject });
    worker.postMessage({ id: count, ...message });
  });
  worker.onmessage = ({ data: { id, result, error } }) => {
    if (error) asked.get(id).reject(new Error(error)); else asked.get(id).resolve(result);
    asked.delete(id);
  };
  worker.onerror = (event) => {
    asked.forEach(({ reject }) => reject(new Error(event.message || "the worker does not start")));
  };
  await ask({ graph: model.graph, input: model.input, detector: model.detector });
  return {
    model,
    place: "Recognised in this browser: no sound leaves your machine.",
    live: async (samples) => (await ask({ samples, bounds: [] })).probabilities,
    async recognize(samples) {
      const [first, behind] = keptBounds(samples, model.trim_db);
      const bounds = pieceBounds(behind - first).map(([start, end]) => [first + start, first + end]);
      const found = await ask({ samples, bounds });
      const pieces = bounds.map(([start, end], i) => (
        { start: start / RATE, end: end / RATE, probabilities: found.pieces[i] }));
      // When each frame begins that the model saw.
      const seen = Array.from({ length: Math.ceil((behind - first) / FRAME) }, (_, i) => first / FRAME + i);
      const times = seen.filter((frame) => !found.kept || found.kept[frame]).map((frame) => frame * FRAME / RATE);
      return { ...found, pieces, times };
    },
  };
}

function onServer(model) {
  const post = async (samples, timeline) => {
    const response = await fetch(`v1/recognize?timeline=${timeline}`, { method: "POST", body: wav(samples) });
    const found = await response.json();
    if (!response.ok) throw new Error(found.error);
    const values = (row) => (row.predicted === NO_SPEECH ? null : model.emotions.map((emotion) => row[emotion]));
    return {
      probabilities: values(found[0]),
      pieces: (found[0].timeline ?? []).map((row) => ({ start: row.start, end: row.end, probabilities: values(row) })),
    };
  };
  return {
    model,
    place: "Recognised by the server that this page came from: recordings are sent there, and not stored.",
    live: async (samples) => (await post(samples, false)).probabilities,
    recognize: (samples) => post(samples, true),
  };
}

// Pieces of 2 s; a rest under half a second joins the last.
export function pieceBounds(count) {
  const bounds = [];
  for (let start = 0; start < count; start += PIECE_S * RATE) {
    if (start && count - start < SHORTEST_PIECE_S * RATE) break;
    bounds.push([start, count]);
    if (bounds.length > 1) bounds.at(-2)[1] = start;
  }
  return bounds;
}

export const UNCERTAIN = "uncertain", NO_SPEECH = "no speech";

// Probabilities are null where there is no speech.
export function decide(emotions, probabilities, abstainBelow) {
  if (!probabilities) return NO_SPEECH;
  const best = probabilities.indexOf(Math.max(...probabilities));
  const alike = probabilities.every((p) => p === probabilities[0]);
  return alike || probabilities[best] < abstainBelow ? UNCERTAIN : emotions[best];
}
