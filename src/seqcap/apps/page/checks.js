// What makes an answer less certain, as codes: seqcap/audio/checks.py.

import { Fourier } from "./spectrogram.js";

const RATE = 16000, SILENCE_PEAK = 2 ** -16, FULL_SCALE = 32767 / 32768, CLIPPED_SHARE = 0.001;
const OFFSET_SHARE = 0.1, SHORT_S = 0.5, NARROW_DB = -42, NARROW_RATE = 8000, NOISY_DB = 12, NOISE_JUDGED_S = 1;
const SIZE = 512, STEP = 1024;
const HANNING = Float32Array.from({ length: SIZE }, (_, n) => 0.5 - 0.5 * Math.cos(2 * Math.PI * n / (SIZE - 1)));
const bin = (hz) => Math.round(hz * SIZE / RATE);

export const SENTENCES = {
  silence: "digital silence; speech is expected, its emotions would mean nothing",
  channels_cancel: "its channels cancel out in their mean; the loudest is used instead",
  clipped: "samples are clipped; record at a lower level",
  constant_offset: "a constant offset; check the recorder",
  short: "under half a second; emotions are less certain",
  narrow_band: "nothing above 3.9 kHz, as over a telephone; emotions are less certain",
  noisy: "no pause is much quieter than the rest: noise, emotions are less certain",
  unfinished: "the recorder was interrupted, or the end may be cut off",
  damaged: "parts of the file were left out",
};

// Of what is recognised, 16 kHz, and of what it was made of: all channels, one of them or their mean.
export function warningsOf(samples, { channels, mono, rate, fullScale = FULL_SCALE }) {
  const peak = mono.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  if (peak <= SILENCE_PEAK) return ["silence"];
  const found = [];
  if (clippedShare(channels, fullScale) > CLIPPED_SHARE) found.push("clipped");
  const mean = mono.reduce((sum, x) => sum + x, 0) / mono.length;
  const square = mono.reduce((sum, x) => sum + x * x, 0) / mono.length;
  const deviation = Math.sqrt(Math.max(0, square - mean ** 2));
  if (Math.abs(mean) > Math.max(OFFSET_SHARE * deviation, SILENCE_PEAK)) found.push("constant_offset");
  if (mono.length / rate < SHORT_S) found.push("short");
  return [...found, ...spectralWarnings(samples, rate)];
}

// Samples that stand at full scale, as the two before them.
function clippedShare(channels, fullScale) {
  let clipped = 0;
  for (const channel of channels) {
    let run = 0;
    for (const x of channel) {
      run = Math.abs(x) >= fullScale ? run + 1 : 0;
      if (run >= 3) clipped += 1;
    }
  }
  return clipped / channels.length / channels[0].length;
}

function spectralWarnings(samples, rate) {
  const fourier = new Fourier(SIZE), levels = [];
  let speech = 0, upper = 0;
  for (let begin = 0; begin + SIZE <= samples.length; begin += STEP) {
    fourier.run(HANNING.map((weight, n) => weight * samples[begin + n]));
    const power = (low, high) => {
      let sum = 0;
      for (let k = bin(low); k < bin(high); k += 1) sum += fourier.re[k] ** 2 + fourier.im[k] ** 2;
      return sum;
    };
    levels.push(power(300, 3400));
    speech += levels.at(-1);
    upper += power(3900, 7000);
  }
  if (speech <= 0) return [];
  const decibels = (ratio) => 10 * Math.log10(Math.max(ratio, 1e-12));
  const found = rate <= NARROW_RATE || decibels(upper / speech) < NARROW_DB ? ["narrow_band"] : [];
  levels.sort((a, b) => a - b);
  const quiet = percentile(levels, 0.05), loud = percentile(levels, 0.95);
  if (samples.length >= NOISE_JUDGED_S * RATE && quiet > 0 && decibels(loud / quiet) < NOISY_DB) found.push("noisy");
  return found;
}

function percentile(sorted, share) {
  const place = share * (sorted.length - 1), low = Math.floor(place);
  return sorted[low] + (place - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}
