// Log spectrograms and levels: seqcap/audio/spectrogram.py and normalisation.py.

export const FRAME = 160, BINS = 512;
const WINDOW = 640, DFT = 1600, FLOOR = 1e-3, REACH = 3, SILENT = Math.log(FLOOR) + 1e-4;
const HANN = Float32Array.from({ length: WINDOW }, (_, n) => 0.5 - 0.5 * Math.cos(2 * Math.PI * n / WINDOW));

// A discrete Fourier transform of real input, by mixed radix; `re` and `im` hold the result.
export class Fourier {
  constructor(size) {
    this.size = size;
    this.factors = [];
    for (let rest = size, p = 2; rest > 1; p += 1) for (; rest % p === 0; rest /= p) this.factors.push(p);
    this.cos = Float64Array.from({ length: size }, (_, t) => Math.cos(2 * Math.PI * t / size));
    this.sin = Float64Array.from({ length: size }, (_, t) => -Math.sin(2 * Math.PI * t / size));
    this.re = new Float64Array(size);
    this.im = new Float64Array(size);
    this.partRe = new Float64Array(Math.max(...this.factors));
    this.partIm = new Float64Array(Math.max(...this.factors));
  }

  run(input) { this.part(input, 0, 1, 0, this.size, 0); }

  part(input, from, stride, to, n, level) {
    const { re, im, cos, sin, size, partRe, partIm } = this;
    if (n === 1) { re[to] = input[from]; im[to] = 0; return; }
    const p = this.factors[level], m = n / p, step = size / n;
    for (let q = 0; q < p; q += 1) this.part(input, from + q * stride, stride * p, to + q * m, m, level + 1);
    for (let k = 0; k < m; k += 1) {
      for (let q = 0; q < p; q += 1) { partRe[q] = re[to + q * m + k]; partIm[q] = im[to + q * m + k]; }
      for (let r = 0; r < p; r += 1) {
        const turn = (k + r * m) * step % size;
        let sumRe = partRe[0], sumIm = partIm[0];
        for (let q = 1, t = turn; q < p; q += 1, t = (t + turn) % size) {
          sumRe += partRe[q] * cos[t] - partIm[q] * sin[t];
          sumIm += partRe[q] * sin[t] + partIm[q] * cos[t];
        }
        re[to + r * m + k] = sumRe;
        im[to + r * m + k] = sumIm;
      }
    }
  }
}

const fourier = new Fourier(DFT), windowed = new Float64Array(DFT);

export const frameCount = (sampleCount) => Math.ceil(sampleCount / FRAME);

// Mean square of every started 10 ms; zeros follow the end.
export function blockPowers(samples) {
  const powers = new Float64Array(frameCount(samples.length));
  samples.forEach((x, i) => { powers[Math.floor(i / FRAME)] += x * x / FRAME; });
  return powers;
}

export function gainOf(powers, targetRms) {
  if (!targetRms || !powers.length) return 1;
  const louder = Float64Array.from(powers).sort().subarray(powers.length >> 1);
  const rms = Math.sqrt(louder.reduce((a, b) => a + b) / louder.length);
  return rms ? Math.fround(targetRms / rms) : 1;
}

// Log magnitudes of some frames, row by row; samples behind the end are zeros.
export function logSpectrogram(samples, gain, first, count) {
  const found = new Float32Array(count * BINS);
  for (let row = 0; row < count; row += 1) {
    const begin = (first + row) * FRAME;
    for (let n = 0; n < WINDOW; n += 1) {
      windowed[n] = begin + n < samples.length ? Math.fround(samples[begin + n] * gain) * HANN[n] : 0;
    }
    fourier.run(windowed);
    for (let k = 0; k < BINS; k += 1) {
      found[row * BINS + k] = 0.5 * Math.log(fourier.re[k] ** 2 + fourier.im[k] ** 2 + FLOOR ** 2);
    }
  }
  return found;
}

// Digital silence; the last frames, which reach over the end, are left out if there are others.
export function isSilent(spectrogram) {
  const rows = spectrogram.length / BINS;
  const asked = rows > REACH ? spectrogram.subarray(0, (rows - REACH) * BINS) : spectrogram;
  return asked.every((value) => value <= SILENT);
}

// Zero mean and unit variance over the training part, and less a share of its own mean.
export function normalised(spectrogram, { mean, deviation, utterance_mean_norm: share }) {
  const own = new Float64Array(BINS), rows = spectrogram.length / BINS;
  if (share) spectrogram.forEach((value, i) => { own[i % BINS] += share * value / rows; });
  return spectrogram.map((value, i) => (value - own[i % BINS] - mean[i % BINS]) / deviation[i % BINS]);
}
