// Recognition beside the page: samples in, probabilities out, by onnxruntime-web.

import * as ort from "./vendor/ort.wasm.min.mjs";

let session;

// A server may have unpacked it already.
async function unpacked(response) {
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function load(graph) {
  const vendor = new URL("./vendor/", import.meta.url);
  const [runtime, model] = await Promise.all(
    [new URL("ort-wasm-simd-threaded.wasm.gz", vendor), new URL(graph, import.meta.url)]
      .map(async (url) => unpacked(await fetch(url))),
  );
  ort.env.wasm.numThreads = 1; // more would need headers that a folder of files cannot send
  ort.env.wasm.wasmBinary = runtime;
  ort.env.wasm.wasmPaths = { mjs: new URL("ort-wasm-simd-threaded.mjs", vendor).href };
  session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
}

async function recognize(samples) {
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
      const result = data.graph ? await load(data.graph) : await recognize(data.samples);
      postMessage({ id: data.id, result });
    } catch (error) {
      postMessage({ id: data.id, error: String(error.message ?? error) });
    }
  });
};
