// Speech first, as the program finds it: seqcap/audio/high_pass.py and speech_detection.py.

const RATE = 16000, FRAME = 160, CHUNK = 512, CONTEXT = 64, LANE = 312, WARM_UP = 32;
const SPOKEN = 0.5, REACHES = 0.1, SHORTEST_CHUNKS = 4, PAUSE_FRAMES = 50, MARGIN_FRAMES = 10;
const LEAST_RMS = 0.05, LARGEST_GAIN = 1000;

export function highPass(samples, cutoffHz) {
  const decay = Math.exp(-2 * Math.PI * cutoffHz / RATE);
  let before = samples[0], out = 0;
  return samples.map((sample) => {
    out = sample - before + decay * out;
    before = sample;
    return out;
  });
}

// What brings the louder half of a lane up to a level; 1 for what is louder.
function laneGain(samples) {
  const powers = new Float64Array(Math.floor(samples.length / FRAME));
  powers.forEach((_, i) => {
    for (let j = i * FRAME; j < (i + 1) * FRAME; j += 1) powers[i] += samples[j] ** 2 / FRAME;
  });
  const louder = powers.sort().subarray(powers.length >> 1);
  const rms = louder.length ? Math.sqrt(louder.reduce((a, b) => a + b) / louder.length) : 0;
  return Math.min(LARGEST_GAIN, Math.max(1, LEAST_RMS / Math.max(rms, 1e-9)));
}

// The probability of speech in every started 32 ms; `run(input, state)` runs the detector.
export async function speechProbabilities(samples, run) {
  const count = Math.ceil(samples.length / CHUNK), found = new Float32Array(count);
  for (let first = 0; first < count; first += LANE) {
    const begin = Math.max(0, first - WARM_UP), end = Math.min(count, first + LANE);
    const lane = new Float32Array(CONTEXT + (end - begin) * CHUNK);
    const from = Math.max(0, begin * CHUNK - CONTEXT);
    const chunks = samples.subarray(from, end * CHUNK);
    lane.set(chunks, CONTEXT - (begin * CHUNK - from));
    const gain = laneGain(lane.subarray(0, CONTEXT - (begin * CHUNK - from) + chunks.length));
    let state = new Float32Array(2 * 128), probability;
    for (let chunk = begin; chunk < end; chunk += 1) {
      const at = (chunk - begin) * CHUNK;
      ({ probability, state } = await run(lane.slice(at, at + CONTEXT + CHUNK).map((x) => x * gain), state));
      if (chunk >= first) found[chunk] = probability;
    }
  }
  return found;
}

// Which frames of 10 ms are kept: speech, short pauses in it, and a margin.
export function speechFrames(probabilities, sampleCount) {
  const frames = new Uint8Array(Math.ceil(sampleCount / FRAME));
  let end = -PAUSE_FRAMES - 1;
  for (let first = 0; first < probabilities.length; first += 1) {
    if (probabilities[first] < REACHES) continue;
    let behind = first, spoken = 0;
    for (; behind < probabilities.length && probabilities[behind] >= REACHES; behind += 1) {
      if (probabilities[behind] >= SPOKEN) spoken += 1;
    }
    if (spoken >= SHORTEST_CHUNKS) {
      const start = Math.floor(first * CHUNK / FRAME);
      if (start - end <= PAUSE_FRAMES) frames.fill(1, Math.max(0, end), start);
      end = Math.ceil(behind * CHUNK / FRAME);
      frames.fill(1, Math.max(0, start - MARGIN_FRAMES), end + MARGIN_FRAMES);
    }
    first = behind;
  }
  return frames;
}

// The samples of kept frames from one sample to another, joined; samples begin with a frame.
export function joined(samples, kept, start, end) {
  const parts = [];
  for (let at = start; at < end; at += FRAME) {
    if (kept[at / FRAME]) parts.push(samples.subarray(at, Math.min(end, at + FRAME)));
  }
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) { whole.set(part, place); place += part.length; }
  return whole;
}
