// Recognition beside the page: samples in, probabilities out, by onnxruntime-web.

import { highPass, joined, speechFrames, speechProbabilities } from "./speech.js";
import * as ort from "./vendor/ort.wasm.min.mjs";

const LEAST_SAMPLES = 20 * 160; // of a piece; fewer are what is left around speech
let session, detector, input;

// A server may have unpacked it already.
async function unpacked(response) {
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function load({ graph, input: wanted, detector: detecting }) {
  const vendor = new URL("./vendor/", import.meta.url);
  const [runtime, model] = await Promise.all(
    [new URL("ort-wasm-simd-threaded.wasm.gz", vendor), new URL(graph, import.meta.url)]
      .map(async (url) => unpacked(await fetch(url))),
  );
  ort.env.wasm.numThreads = 1; // more would need headers that a folder of files cannot send
  ort.env.wasm.wasmBinary = runtime;
  ort.env.wasm.wasmPaths = { mjs: new URL("ort-wasm-simd-threaded.mjs", vendor).href };
  const options = { executionProviders: ["wasm"] };
  session = await ort.InferenceSession.create(model, options);
  input = wanted;
  if (!input.speech_only) return;
  const bytes = await unpacked(await fetch(new URL(detecting, import.meta.url)));
  detector = await ort.InferenceSession.create(bytes, options);
}

async function detect(input, state) {
  const found = await detector.run({
    input: new ort.Tensor("float32", input, [1, input.length]),
    state: new ort.Tensor("float32", state, [2, 1, 128]),
    sr: new ort.Tensor("int64", BigInt64Array.of(16000n), []),
  });
  return { probability: found.output.data[0], state: found.stateN.data };
}

// Of a whole recording and, if there are several, of its pieces; null where there is no speech.
async function recognize(samples, bounds) {
  const filtered = input.high_pass_hz ? highPass(samples, input.high_pass_hz) : samples;
  const kept = input.speech_only
    && speechFrames(await speechProbabilities(filtered, detect), filtered.length);
  const part = (start, end) => (kept ? joined(filtered, kept, start, end) : filtered.slice(start, end));
  const whole = await answer(part(0, samples.length));
  const pieces = [];
  for (const [start, end] of bounds) {
    const piece = part(start, end);
    const own = bounds.length === 1 ? whole : kept && piece.length < LEAST_SAMPLES ? null : await answer(piece);
    pieces.push(own && own.probabilities);
  }
  return { probabilities: null, ...whole, pieces, kept };
}

async function answer(samples) {
  if (!samples.length) return null;
  const tensor = new ort.Tensor("float32", samples, [1, samples.length]);
  const found = await session.run({ samples: tensor });
  const couplings = found.couplings; // (1, window, emotion)
  return {
    probabilities: Array.from(found.probabilities.data),
    couplings: couplings && { values: Array.from(couplings.data), windows: couplings.dims[1] },
  };
}

// One after the other, in the order they came.
let before = Promise.resolve();
onmessage = ({ data }) => {
  before = before.then(async () => {
    try {
      const result = data.graph ? await load(data) : await recognize(data.samples, data.bounds);
      postMessage({ id: data.id, result });
    } catch (error) {
      postMessage({ id: data.id, error: String(error.message ?? error) });
    }
  });
};
