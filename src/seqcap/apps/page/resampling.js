// From any sampling rate to 16 kHz by a windowed sinc, as soxr's quality HQ does for `predict`.

export const RATE = 16000;
// Choice: fitted to soxr's output on noise. The pass band ends at this share of the lower Nyquist
// frequency; the stop band, 120 dB down, begins at it.
const PASS_SHARE = 0.91374, KAISER_BETA = 13.045, WIDTH = 8.354; // of the filter, in periods of the band between them

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

// Modified Bessel function of the first kind, order 0.
function bessel0(x) {
  let sum = 1, term = 1;
  for (let k = 1; term > 1e-12 * sum; k += 1) {
    term *= (x / 2 / k) ** 2;
    sum += term;
  }
  return sum;
}

// Samples come in blocks of any size; `finish` gives the rest, round(count * 16000 / rate) in all.
export class Resampler {
  constructor(rate) {
    const stop = Math.min(rate, RATE) / 2, pass = PASS_SHARE * stop;
    this.rate = rate;
    this.up = RATE / gcd(rate, RATE);
    this.down = rate / gcd(rate, RATE);
    this.cutoff = (pass + stop) / rate; // of the input's Nyquist frequency
    this.reach = WIDTH * rate / (stop - pass) / 2; // to both sides, in input samples
    this.side = Math.ceil(this.reach);
    this.filters = new Map(); // by the output's place between two input samples
    this.kept = new Float32Array(this.side); // nothing comes before the first sample
    this.keptFrom = -this.side;
    this.received = this.made = 0;
  }

  push(samples) {
    if (this.rate === RATE) return samples;
    this.received += samples.length;
    return this.make(samples, Math.ceil((this.received - this.side) * this.up / this.down));
  }

  finish() {
    if (this.rate === RATE) return new Float32Array(0);
    return this.make(new Float32Array(this.side + 1), Math.round(this.received * RATE / this.rate));
  }

  // Takes samples, and makes the output up to this count.
  make(samples, behind) {
    const input = new Float32Array(this.kept.length + samples.length);
    input.set(this.kept);
    input.set(samples, this.kept.length);
    const output = new Float32Array(Math.max(0, behind - this.made));
    for (let i = 0; i < output.length; i += 1) {
      const place = (this.made + i) * this.down, filter = this.filter(place % this.up);
      const first = Math.floor(place / this.up) - this.side + 1 - this.keptFrom;
      let sum = 0;
      for (let j = 0; j < filter.length; j += 1) sum += filter[j] * input[first + j];
      output[i] = sum;
    }
    this.made += output.length;
    const first = Math.floor(this.made * this.down / this.up) - this.side + 1;
    this.kept = input.slice(Math.max(0, first - this.keptFrom));
    this.keptFrom += input.length - this.kept.length;
    return output;
  }

  filter(phase) {
    if (!this.filters.has(phase)) {
      const { cutoff, reach, side } = this;
      this.filters.set(phase, Float32Array.from({ length: 2 * side }, (_, j) => {
        const distance = j - side + 1 - phase / this.up;
        if (Math.abs(distance) >= reach) return 0;
        const x = Math.PI * cutoff * distance;
        const window = bessel0(KAISER_BETA * Math.sqrt(1 - (distance / reach) ** 2)) / bessel0(KAISER_BETA);
        return cutoff * window * (x ? Math.sin(x) / x : 1);
      }));
    }
    return this.filters.get(phase);
  }
}

export function joinedSamples(blocks) {
  const whole = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let place = 0;
  for (const block of blocks) { whole.set(block, place); place += block.length; }
  return whole;
}
