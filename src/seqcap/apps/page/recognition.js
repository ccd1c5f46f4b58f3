// Who recognises: this browser, or the server where it cannot.

import { wav } from "./sound.js";

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
  if (!model.graphs) throw new Error("this page came without a model for browsers");
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
  await ask({ model });
  return {
    model,
    place: "Recognised in this browser: no sound leaves your machine.",
    live: async (samples) => (await ask({ samples, timeline: false })).probabilities,
    recognize: (samples) => ask({ samples, timeline: true }),
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
      warnings: found[0].warnings,
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

export const UNCERTAIN = "uncertain", NO_SPEECH = "no speech";

// Probabilities are null where nobody speaks.
export function decide(emotions, probabilities, abstainBelow) {
  if (!probabilities) return NO_SPEECH;
  const best = probabilities.indexOf(Math.max(...probabilities));
  const alike = probabilities.every((p) => p === probabilities[0]);
  return alike || probabilities[best] < abstainBelow ? UNCERTAIN : emotions[best];
}
