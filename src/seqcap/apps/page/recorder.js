// Hands the microphone's samples to the page, in the audio thread.

registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([input]) {
    if (input.length) {
      const mono = new Float32Array(input[0].length);
      for (const channel of input) channel.forEach((x, i) => { mono[i] += x / input.length; });
      this.port.postMessage(mono, [mono.buffer]);
    }
    return true;
  }
});
