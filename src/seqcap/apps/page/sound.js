// Sound as the model wants it: 16 kHz, mono, float32.

import { warningsOf } from "./checks.js";

export const RATE = 16000;
const SHORTEST_S = 0.04, CANCELLING = 0.4; // seqcap/audio/channels.py

// The mean of all channels; where they cancel in it, the loudest stands for all.
export function mono(buffer) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i));
  if (channels.length === 1) return { samples: channels[0].slice(), cancels: false, channels };
  const samples = channels[0].map((_, i) => channels.reduce((sum, c) => sum + c[i], 0) / channels.length);
  const power = (values) => values.reduce((sum, x) => sum + x * x, 0);
  const powers = channels.map(power), sum = powers.reduce((a, b) => a + b);
  if (power(samples) >= CANCELLING * sum / channels.length ** 2) return { samples, cancels: false, channels };
  return { samples: channels[powers.indexOf(Math.max(...powers))].slice(), cancels: true, channels };
}

// Whatever the browser can decode; a browser resamples nearly as soxr does.
export async function decode(bytes, name) {
  let buffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes);
  } catch {
    throw new Error(`${name}: not a recording that this browser can decode`);
  }
  const { samples, cancels, channels } = mono(buffer);
  if (samples.length < SHORTEST_S * RATE) {
    throw new Error(`${name}: ${(samples.length / RATE).toFixed(2)} s of audio; at least ${SHORTEST_S} s is needed`);
  }
  return { samples, warnings: [...(cancels ? ["channels_cancel"] : []), ...warningsOf(samples, channels)] };
}

export async function resample(samples, rate) {
  if (rate === RATE || !samples.length) return samples;
  const context = new OfflineAudioContext(1, Math.max(1, Math.round(samples.length * RATE / rate)), RATE);
  const buffer = context.createBuffer(1, samples.length, rate);
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
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

export class Microphone {
  constructor() { this.blocks = []; this.count = 0; }

  async start() {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule(new URL("./recorder.js", import.meta.url));
    this.node = new AudioWorkletNode(this.context, "recorder");
    this.node.port.onmessage = ({ data }) => { this.blocks.push(data); this.count += data.length; };
    new MediaStreamAudioSourceNode(this.context, { mediaStream: this.stream }).connect(this.node);
  }

  get seconds() { return this.count / this.context.sampleRate; }

  // The last seconds, or all, at 16 kHz.
  async last(seconds = Infinity) {
    const wanted = Math.min(this.count, Math.round(seconds * this.context.sampleRate));
    const samples = new Float32Array(wanted);
    for (let i = this.blocks.length - 1, end = wanted; end > 0; i -= 1) {
      const block = this.blocks[i].subarray(Math.max(0, this.blocks[i].length - end));
      end -= block.length;
      samples.set(block, end);
    }
    return resample(samples, this.context.sampleRate);
  }

  async stop() {
    this.stream.getTracks().forEach((track) => track.stop());
    await this.context.suspend();
    const samples = await this.last();
    await this.context.close();
    return samples;
  }
}
