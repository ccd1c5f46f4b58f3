// The sampling rate that a file's header declares: browsers decode at any rate, but do not tell the file's.

const HEAD_BYTES = 1 << 16; // where headers are looked for
const OPUS_RATE = 48000; // what its decoders give, whatever was encoded
const MPEG_RATES = [44100, 48000, 32000]; // halved in version 2, quartered in version 2.5
const AAC_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
const SHORTEST_FRAME = 24, LONGEST_FRAME = 8192; // bytes
const LOWEST = 3000, HIGHEST = 768000; // that Chromium decodes at
const FULL_SCALE = { 6: 32256 / 32768, 7: 32124 / 32768 }; // of A-law and mu-law in WAV

// `{ rate, fullScale }`; the rate is null where it cannot be found out.
export function declaredFormat(bytes) {
  const view = new DataView(bytes);
  const readers = { RIFF: ofWav, fLaC: (v) => ({ rate: flacRate(v, 0) }), OggS: ofOgg };
  const start = afterTags(view), word = text(view, start, 4);
  let found = {};
  try {
    if (start === 0 && readers[word]) found = readers[word](view);
    else if (word === "fLaC") found = { rate: flacRate(view, start) };
    else if (text(view, 4, 4) === "ftyp") found = { rate: mp4Rate(view) };
    else if (view.getUint32(0) === 0x1a45dfa3) found = { rate: matroskaRate(view) };
    else found = { rate: mpegRate(view, start) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // it ends inside its header
  }
  const rate = found.rate >= LOWEST && found.rate <= HIGHEST ? Math.round(found.rate) : null;
  return { rate, fullScale: found.fullScale };
}

function text(view, at, length) {
  let found = "";
  for (let i = at; i < Math.min(at + length, view.byteLength); i += 1) found += String.fromCharCode(view.getUint8(i));
  return found;
}

// Where a word stands in the head of a file; -1 if nowhere.
const find = (view, word) => text(view, 0, HEAD_BYTES).indexOf(word);

// Behind an ID3v2 tag.
function afterTags(view) {
  if (text(view, 0, 3) !== "ID3" || view.byteLength < 10) return 0;
  return [6, 7, 8, 9].reduce((size, at) => size * 128 + view.getUint8(at), 0) + 10;
}

function ofWav(view) {
  for (let at = 12; ; at += 8 + view.getUint32(at + 4, true) + view.getUint32(at + 4, true) % 2) {
    if (text(view, at, 4) === "fmt ") {
      const kind = view.getUint16(at + 8, true), bits = view.getUint16(at + 22, true);
      const fullScale = FULL_SCALE[kind] ?? (bits === 8 ? 127 / 128 : undefined);
      return { rate: view.getUint32(at + 12, true), fullScale };
    }
  }
}

const flacRate = (view, start) => view.getUint32(start + 18) >>> 12;

function ofOgg(view) {
  const vorbis = find(view, "\x01vorbis"), flac = find(view, "\x7fFLAC");
  if (find(view, "OpusHead") >= 0) return { rate: OPUS_RATE };
  if (vorbis >= 0) return { rate: view.getUint32(vorbis + 12, true) };
  return { rate: flac >= 0 ? flacRate(view, flac + 9) : null };
}

// Boxes of a size and a name; the rate stands in the first description of a sound track.
function mp4Rate(view, start = 0, end = view.byteLength) {
  for (let at = start, size; at + 8 <= end; at += size) {
    size = view.getUint32(at);
    const name = text(view, at + 4, 4);
    if (size === 1) size = Number(view.getBigUint64(at + 8));
    if (size < 8) return null;
    if (["mp4a", "Opus", "fLaC", "alac"].includes(name)) return view.getUint16(at + 32);
    const head = { moov: 8, trak: 8, mdia: 8, minf: 8, stbl: 8, stsd: 16 }[name];
    const rate = head && mp4Rate(view, at + head, Math.min(end, at + size));
    if (rate) return rate;
  }
  return null;
}

function matroskaRate(view) {
  if (find(view, "A_OPUS") >= 0) return OPUS_RATE;
  for (const [mark, read] of [["\xb5\x84", "getFloat32"], ["\xb5\x88", "getFloat64"]]) {
    const at = find(view, mark);
    const rate = at < 0 ? 0 : view[read](at + 2);
    if (rate >= LOWEST && rate <= HIGHEST) return rate;
  }
  return null;
}

// The first header of a frame of MPEG audio or AAC that one of the same kind follows.
function mpegRate(view, start) {
  const end = Math.min(start + HEAD_BYTES, view.byteLength - 4);
  for (let at = start; at < end; at += 1) {
    const kind = mpegKind(view, at);
    if (!kind) continue;
    for (let next = at + SHORTEST_FRAME; next < Math.min(at + LONGEST_FRAME, end); next += 1) {
      if (mpegKind(view, next) === kind) return mpegRateOf(kind);
    }
  }
  return null;
}

// Version, layer and rate of a frame's header; 0 where there is none.
function mpegKind(view, at) {
  const head = view.getUint32(at), isAac = (head >>> 17 & 3) === 0;
  if (head >>> 21 !== 0x7ff || (!isAac && (head >>> 12 & 15) % 15 === 0)) return 0;
  return head >>> 17 << 4 | (isAac ? head >>> 10 & 15 : head >>> 10 & 3);
}

function mpegRateOf(kind) {
  if ((kind >> 4 & 3) === 0) return AAC_RATES[kind & 15];
  return MPEG_RATES[kind & 3] / [4, NaN, 2, 1][kind >> 6 & 3];
}
