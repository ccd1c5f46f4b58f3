// Sound as the model wants it: 16 kHz, mono, float32.

import { warningsOf } from "./checks.js";
import { declaredFormat } from "./file_rate.js";
import { joinedSamples, RATE, Resampler } from "./resampling.js";

export { RATE };
const SHORTEST_S = 0.04, CANCELLING = 0.4; // seqcap/audio/channels.py
const CHUNK_S = 30, CHUNK_VALUES = 2 ** 24; // seqcap/audio/recording.py
const UNKNOWN_RATE = 48000; // of files whose header does not tell: loses nothing that is recognised

// The mean of all channels; where they cancel in it, the loudest stands for all from there on.
function mixed(channels, rate) {
  if (channels.length === 1) return { mono: channels[0], cancels: false };
  const length = channels[0].length, mono = new Float32Array(length);
  const chunk = Math.floor(Math.max(1, Math.min(CHUNK_S * rate, CHUNK_VALUES / channels.length)));
  const power = (values) => values.reduce((sum, x) => sum + x * x, 0);
  let chosen;
  for (let start = 0; start < length; start += chunk) {
    const end = Math.min(length, start + chunk), parts = channels.map((c) => c.subarray(start, end));
    const mean = mono.subarray(start, end);
    if (!chosen) {
      mean.forEach((_, i) => { mean[i] = parts.reduce((sum, part) => sum + part[i], 0) / parts.length; });
      const powers = parts.map(power), sum = powers.reduce((a, b) => a + b);
      if (power(mean) < CANCELLING * sum / parts.length ** 2) chosen = channels[powers.indexOf(Math.max(...powers))];
    }
    if (chosen) mean.set(chosen.subarray(start, end));
  }
  return { mono, cancels: Boolean(chosen) };
}

// Ten seconds at a time, so that the page stays alive.
async function resampled(mono, rate) {
  const resampler = new Resampler(rate), blocks = [];
  for (let start = 0; start < mono.length; start += 10 * rate) {
    blocks.push(resampler.push(mono.subarray(start, start + 10 * rate)));
    if (start) await new Promise((resolve) => { setTimeout(resolve); });
  }
  return joinedSamples([...blocks, resampler.finish()]);
}

async function prepared(channels, rate, fullScale) {
  const { mono, cancels } = mixed(channels, rate);
  const samples = await resampled(mono, rate);
  const found = warningsOf(samples, { channels, mono, rate, fullScale });
  return { samples, warnings: cancels ? ["channels_cancel", ...found] : found };
}

// Whatever the browser can decode, at the rate that the file has.
export async function decode(bytes, name) {
  const { rate, fullScale } = declaredFormat(bytes);
  let buffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, rate ?? UNKNOWN_RATE).decodeAudioData(bytes);
  } catch {
    throw new Error(`${name}: not a recording that this browser can decode`);
  }
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i));
  const sound = await prepared(channels, buffer.sampleRate, fullScale);
  if (sound.samples.length < SHORTEST_S * RATE) {
    const seconds = (sound.samples.length / RATE).toFixed(2);
    throw new Error(`${name}: ${seconds} s of audio; at least ${SHORTEST_S} s is needed`);
  }
  return sound;
}

// A WAV file of 32-bit floats: these samples, not rounded.
export function wav(samples) {
  const view = new DataView(new ArrayBuffer(44 + 4 * samples.length));
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, view.byteLength - 8, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 3, true); view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true); view.setUint32(28, 4 * RATE, true);
  view.setUint16(32, 4, true); view.setUint16(34, 32, true);
  text(36, "data"); view.setUint32(40, 4 * samples.length, true);
  samples.forEach((x, i) => view.setFloat32(44 + 4 * i, x, true));
  return new Blob([view.buffer], { type: "audio/wav" });
}

// Keeps what is recorded, and its last seconds at 16 kHz.
export class Microphone {
  constructor(recentS) {
    this.recentS = recentS;
    this.blocks = []; // each a list of channels
    this.waiting = []; // blocks that are not resampled yet
    this.count = 0;
  }

  async start() {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule(new URL("./recorder.js", import.meta.url));
    this.node = new AudioWorkletNode(this.context, "recorder");
    this.node.port.onmessage = ({ data }) => {
      this.blocks.push(data);
      this.waiting.push(data);
      this.count += data[0].length;
    };
    new MediaStreamAudioSourceNode(this.context, { mediaStream: this.stream }).connect(this.node);
  }

  get rate() { return Math.round(this.context.sampleRate); }

  get seconds() { return this.count / this.rate; }

  // The last seconds at 16 kHz.
  recent() {
    const channels = channelsOf(this.waiting.splice(0));
    this.resamplers ??= channels.map(() => new Resampler(this.rate));
    this.kept ??= channels.map(() => new Float32Array(0));
    this.kept = this.kept.map((before, i) => {
      const added = this.resamplers[i].push(channels[Math.min(i, channels.length - 1)]);
      return joinedSamples([before, added]).slice(-this.recentS * RATE);
    });
    return mixed(this.kept, RATE).mono;
  }

  async stop() {
    this.stream.getTracks().forEach((track) => track.stop());
    await this.context.suspend();
    const { rate } = this;
    await this.context.close();
    return prepared(channelsOf(this.blocks), rate);
  }
}

// A microphone may bring a channel more or less on its way: the first stands for one that is missing.
function channelsOf(blocks) {
  const count = Math.max(1, ...new Set(blocks.map((block) => block.length)));
  return Array.from({ length: count }, (_, i) => joinedSamples(blocks.map((block) => block[i] ?? block[0])));
}
