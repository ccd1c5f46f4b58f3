// Recognition beside the page: samples in, probabilities out, by onnxruntime-web.

import { Network } from "./network.js";
import { highPass, joined, speechFrames, speechProbabilities } from "./speech.js";
import { BINS, blockPowers, FRAME, gainOf, isSilent, logSpectrogram, normalised } from "./spectrogram.js";
import * as ort from "./vendor/ort.wasm.min.mjs";

const PIECE_FRAMES = 200, SHORTEST_PIECE_FRAMES = 50, MARGIN_FRAMES = 10;
const LEAST_FRAMES = 20; // of a piece; fewer are what is left around speech
let network, detector, about;

// A server may have unpacked it already.
async function unpacked(response) {
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function load(model) {
  const vendor = new URL("./vendor/", import.meta.url);
  const fetched = async (path, base = import.meta.url) => unpacked(await fetch(new URL(path, base)));
  about = model;
  const graphs = model.normalisation.speech_only ? [...model.graphs, model.detector] : model.graphs;
  const [runtime, ...files] = await Promise.all(
    [fetched("ort-wasm-simd-threaded.wasm.gz", vendor), ...graphs.map((path) => fetched(path))],
  );
  ort.env.wasm.numThreads = 1; // more would need headers that a folder of files cannot send
  ort.env.wasm.wasmBinary = runtime;
  ort.env.wasm.wasmPaths = { mjs: new URL("ort-wasm-simd-threaded.mjs", vendor).href };
  const sessions = [];
  for (const file of files) sessions.push(await ort.InferenceSession.create(file, { executionProviders: ["wasm"] }));
  network = new Network(ort, sessions[0], sessions[1], model);
  detector = sessions[2];
}

async function detect(input, state) {
  const found = await detector.run({
    input: new ort.Tensor("float32", input, [1, input.length]),
    state: new ort.Tensor("float32", state, [2, 1, 128]),
    sr: new ort.Tensor("int64", BigInt64Array.of(16000n), []),
  });
  return { probability: found.output.data[0], state: found.stateN.data };
}

// First frame that is kept and the frame behind the last one: without quiet edges.
function trimBounds(powers, trimDb) {
  const quiet = powers.reduce((a, b) => Math.max(a, b), 0) * 10 ** (-trimDb / 10);
  const first = powers.findIndex((p) => p > quiet), last = powers.findLastIndex((p) => p > quiet);
  if (!trimDb || first < 0) return [0, powers.length];
  return [Math.max(0, first - MARGIN_FRAMES), Math.min(powers.length, last + 1 + MARGIN_FRAMES)];
}

// Pieces of 2 s; a rest under half a second joins the last.
function pieceBounds(first, behind) {
  const bounds = [];
  for (let start = first; start < behind; start += PIECE_FRAMES) {
    if (start > first && behind - start < SHORTEST_PIECE_FRAMES) break;
    bounds.push([start, behind]);
    if (bounds.length > 1) bounds.at(-2)[1] = start;
  }
  return bounds;
}

// What the model sees of a recording, at its level, as seqcap/recognition/recordings.py prepares it.
async function prepare(samples) {
  const { high_pass_hz: cutoff, speech_only: speechOnly, trim_db: trimDb, target_rms: target } = about.normalisation;
  const filtered = cutoff ? highPass(samples, cutoff) : samples;
  const powers = blockPowers(filtered);
  const [first, behind] = trimBounds(powers, trimDb);
  const speech = speechOnly && speechFrames(await speechProbabilities(filtered, detect), filtered.length);
  const kept = powers.map((_, i) => Number(i >= first && i < behind && (!speech || speech[i])));
  return {
    sound: speech ? joined(filtered, kept, 0, filtered.length) : filtered,
    offset: speech ? 0 : first, // of the first frame that is seen
    gain: gainOf(powers.filter((_, i) => kept[i]), target),
    kept,
    bounds: speech ? pieceBounds(0, kept.length) : pieceBounds(first, behind),
  };
}

async function answer({ sound, offset, gain }, first, count) {
  if (!count) return { probabilities: null };
  let silent = true;
  const spectrogramOf = (from, rows) => {
    const found = logSpectrogram(sound, gain, offset + first + from, rows);
    silent = silent && isSilent(found);
    return found;
  };
  // A recording's own mean is taken over all of it.
  const share = about.normalisation.utterance_mean_norm;
  const whole = share ? normalised(spectrogramOf(0, count), about.normalisation) : null;
  const framesOf = (from, rows) => (whole
    ? whole.slice(from * BINS, (from + rows) * BINS)
    : normalised(spectrogramOf(from, rows), about.normalisation));
  const found = await network.answer(framesOf, count);
  if (silent) found.probabilities.fill(1 / found.probabilities.length);
  return found;
}

async function recognize(samples, timeline) {
  const prepared = await prepare(samples);
  const { kept, bounds } = prepared;
  const whole = await answer(prepared, 0, kept.reduce((a, b) => a + b, 0));
  if (!timeline) return whole;
  const pieces = [];
  let first = 0;
  for (const [start, behind] of bounds) {
    const count = kept.subarray(start, behind).reduce((a, b) => a + b, 0);
    let own = whole;
    if (bounds.length > 1) own = count < LEAST_FRAMES ? null : await answer(prepared, first, count);
    first += count;
    const end = Math.min(behind * FRAME, samples.length) / 16000;
    pieces.push({ start: start / 100, end, probabilities: own && own.probabilities });
  }
  const times = [...kept.keys()].filter((frame) => kept[frame]).map((frame) => frame / 100);
  return { ...whole, pieces, times };
}

// One after the other, in the order they came.
let before = Promise.resolve();
onmessage = ({ data }) => {
  before = before.then(async () => {
    try {
      const result = data.model ? await load(data.model) : await recognize(data.samples, data.timeline);
      postMessage({ id: data.id, result });
    } catch (error) {
      postMessage({ id: data.id, error: String(error.message ?? error) });
    }
  });
};
