// A model's two graphs, on recordings of any length: seqcap/recognition/engine.py.

import { BINS } from "./spectrogram.js";

const CHUNK_FRAMES = 1000, ALL_STEPS = 2 ** 40; // about 10 s; of a map that is not cut
const gcd = (a, b) => (b ? gcd(b, a % b) : a);

export class Network {
  constructor(ort, encoder, decider, { chunking, temperature }) {
    Object.assign(this, { ort, encoder, decider, temperature, ...chunking });
    const sizeOf = (name) => encoder.inputMetadata[encoder.inputNames.indexOf(name)]?.shape[1] ?? 0;
    this.previousSize = sizeOf("previous");
    this.featureSize = sizeOf("feature_mean"); // of an encoder of speech
    this.features = encoder.outputNames.filter((name) => name.startsWith("features_"));
    const together = this.shift_steps.reduce((a, b) => a * b / gcd(a, b));
    this.chunkSteps = Math.max(1, Math.floor(CHUNK_FRAMES / this.frames_per_step / together)) * together;
    this.seenSteps = this.chunkSteps + Math.max(...this.overlap_steps) + this.context_steps;
  }

  // Probabilities and couplings; `framesOf(first, count)` gives normalised frames.
  async answer(framesOf, count) {
    const perStep = this.frames_per_step;
    let features = [], first = 0, done = 0; // steps where what is seen starts, and what is encoded ends
    const encode = async (frameCount, keptSteps) => {
      const frames = await framesOf(first * perStep, frameCount);
      features = joined(features, await this.encode(frames, done - first, keptSteps, features.at(-1)));
    };
    for (;;) {
      const seen = (done - first + this.seenSteps) * perStep;
      if (count - first * perStep <= seen) break;
      await encode(seen, this.chunkSteps);
      done += this.chunkSteps;
      first = Math.max(0, done - (this.before_steps ?? this.context_steps));
    }
    await encode(count - first * perStep, ALL_STEPS);
    return this.decide(features, Math.ceil(count / perStep));
  }

  integers(value) { return new this.ort.Tensor("int64", BigInt64Array.of(BigInt(value)), [1]); }

  async encode(frames, skippedSteps, keptSteps, before) {
    const count = frames.length / BINS;
    const given = {
      frames: new this.ort.Tensor("float32", frames, [1, count, BINS]),
      frame_counts: this.integers(count),
      skipped_steps: this.integers(skippedSteps),
      kept_steps: this.integers(keptSteps),
    };
    if (this.previousSize) {
      const last = before ? before.values.slice(-before.size) : new Float32Array(this.previousSize);
      given.previous = new this.ort.Tensor("float32", last, [1, this.previousSize]);
    }
    if (this.featureSize) { // the page adapts to nobody
      const nothing = new Float32Array(this.featureSize);
      given.feature_mean = new this.ort.Tensor("float32", nothing, [1, this.featureSize]);
    }
    const found = await this.encoder.run(given, this.features);
    return this.features.map((name) => ({ values: found[name].data, size: found[name].dims[2] }));
  }

  async decide(features, stepCount) {
    const given = { step_counts: this.integers(stepCount) };
    features.forEach(({ values, size }, i) => {
      given[`features_${i}`] = new this.ort.Tensor("float32", values, [1, values.length / size, size]);
    });
    const { logits, utterance_couplings: couplings } = await this.decider.run(given);
    const emotionCount = logits.dims[2], probabilities = new Array(emotionCount).fill(0);
    this.branch_shares.forEach((share, branch) => {
      const own = Array.from(logits.data.slice(branch * emotionCount, (branch + 1) * emotionCount));
      const greatest = Math.max(...own);
      const powers = own.map((logit) => Math.exp((logit - greatest) / this.temperature));
      const sum = powers.reduce((a, b) => a + b);
      powers.forEach((power, k) => { probabilities[k] += share * power / sum; });
    });
    const shown = couplings && { values: Array.from(couplings.data), windows: couplings.dims[1] };
    return { probabilities, couplings: shown };
  }
}

function joined(before, found) {
  if (!before.length) return found;
  return before.map(({ values, size }, i) => {
    const whole = new Float32Array(values.length + found[i].values.length);
    whole.set(values);
    whole.set(found[i].values, values.length);
    return { values: whole, size };
  });
}
