"""What libsndfile cannot read, decoded by FFmpeg's libraries: m4a, mp4, webm, amr, wma and others.

PyAV brings them (extra `formats`); no program is started. Of a film the first sound track is read.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from seqcap.audio.issues import IssueKind
from seqcap.audio.recording import Samples, checked_rate, skip_frames
from seqcap.audio.truncation import FETCH_AGAIN
from seqcap.errors import AudioError

if TYPE_CHECKING:
    import av

# Choice: only containers that hold their sound themselves. A play list (HLS, concat, ffconcat)
# would have FFmpeg open other files and addresses.
_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,aac,amr,amrnb,amrwb,ac3,eac3,dts,ogg,caf,avi,flv,"
    "live_flv,mpegts,mpeg,mp3,wav,w64,aiff,au,flac,ape,wv,tta,voc,loas,latm,gsm,g722,opus"
)
# FFmpeg estimates the duration of the others from their bit rate.
_KNOW_DURATION = {"mov", "matroska", "asf", "caf", "ape", "wv", "tta", "flv"}
# Frames of one size without a count: what is cut off is seen by the size of the last one only.
_EQUAL_FRAMES = {"ac3", "eac3", "dts", "mpeg"}
_SLACK_S = 0.5  # between a container's duration and that of its sound
_SLACK_SHARE = 0.02
_MOST_DAMAGED = 1000  # packets before the first that can be decoded
_DAMAGED_SHARE = 10  # more than a tenth damaged: refused
_MOST_CHANNELS = 8


class MediaRecording:
    """A sound track, decoded frame after frame.

    Args:
        file: A seekable binary file.
        name: What errors call it.

    Raises:
        ImportError: PyAV is not installed.
        AudioError: It is damaged, or has no sound.
        av.error.FFmpegError: It is no file of these kinds.
    """

    full_scale = 32767 / 32768

    def __init__(self, file: BinaryIO, name: str) -> None:
        import av

        self.name = name
        self.frame_count: int | None = None  # containers know it by the millisecond at best
        self.issues: list[tuple[IssueKind, str]] = []
        self._container = av.open(
            file,
            "r",
            metadata_errors="ignore",
            options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"},
        )
        try:
            if not self._container.streams.audio:
                raise AudioError(f"{name}: no sound in it; a recording with a sound track expected")
            self._stream = self._container.streams.audio[0]
            if self._stream.codec_context is None:
                raise AudioError(f"{name}: no decoder for its sound; convert it to another format")
            self._packets = self._damaged_packets = 0
            self._packet_sizes: list[int] = []  # of the first packet and of the last one
            self._to_drop = 0  # frames
            self._decoded = 0  # frames
            self._first: av.AudioFrame | None = None  # all others are converted to its kind
            self._resampler: av.AudioResampler | None = None
            self._converts: tuple[str, str, int] | None = None  # format, layout, rate
            self._rate_hz = 0
            self._chunks = self._decode()
            self._waiting = [next(self._chunks)]
            self.channel_count: int = self._waiting[0].shape[1]
            self.rate_hz = checked_rate(self._rate_hz, name)
        except StopIteration:
            self._container.close()
            raise AudioError(f"{name}: no sound could be decoded from it; {FETCH_AGAIN}") from None
        except BaseException:
            self._container.close()
            raise

    def read(self, frame_count: int) -> Samples:
        """Reads the next frames, shape ``(frame, channel)``.

        Args:
            frame_count: Frames at most.
        """
        ready = sum(map(len, self._waiting))
        while ready < frame_count and (chunk := next(self._chunks, None)) is not None:
            self._waiting.append(chunk)
            ready += len(chunk)
        frames = np.concatenate(self._waiting) if len(self._waiting) != 1 else self._waiting[0]
        self._waiting = [frames[frame_count:]]
        return frames[:frame_count]

    def seek(self, frame: int) -> int:
        """Reads on to a frame: decoders entered in the middle give other samples.

        Args:
            frame: Its number, from 0.
        """
        return skip_frames(self, frame)

    def close(self) -> None:
        """Closes the container, not the file that it was given."""
        self._chunks.close()
        self._container.close()

    def _decode(self) -> Generator[Samples, None, None]:
        """Gives the sound in frames as they are decoded, shape ``(frame, channel)``."""
        import av

        # Of a damaged file PyAV raises its own errors and a few of Python's.
        failures = (av.error.FFmpegError, LookupError, MemoryError, RuntimeError, ValueError)
        try:
            yield from self._decode_to_end()
        except failures as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise AudioError(
                f"{self.name}: damaged after {self._decoded_s:.2f} s ({reason}); {FETCH_AGAIN}"
            ) from error

    def _decode_to_end(self) -> Iterator[Samples]:
        last = None
        for frame in self._decoded_frames():
            # PyAV reads behind the end of FFmpeg's table of channels.
            if (count := frame.layout.nb_channels) > _MOST_CHANNELS:
                raise AudioError(
                    f"{self.name}: {count} channels; of files of this kind {_MOST_CHANNELS} at "
                    "most can be read, keep fewer or convert it to WAV"
                )
            if self._first is None:
                self._first = frame
                self._rate_hz = frame.rate
                if self._container.format.name.startswith("mov"):  # its duration is exact
                    last = round(self._promised_s() * frame.rate) or None
            for part in self._converted(frame):
                samples = part.to_ndarray().T
                samples = samples[: None if last is None else max(0, last - self._decoded)]
                dropped = min(self._to_drop, len(samples))
                self._to_drop -= dropped
                samples = samples[dropped:]
                self._decoded += len(samples)
                yield np.ascontiguousarray(samples, np.float32)
        self._check_end()

    def _decoded_frames(self) -> Iterator["av.AudioFrame"]:
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
                if not self._packets:
                    self._to_drop = _kept_by_mistake(packet, self._stream.codec_context.extradata)
                self._packets += 1
                if packet.size:
                    self._packet_sizes = [*self._packet_sizes[:1], packet.size]
                yield from self._stream.codec_context.decode(packet)
            except (StopIteration, av.error.EOFError):
                break
            except av.error.InvalidDataError:
                self._damaged_packets += 1
                if self._damaged_packets > _MOST_DAMAGED and not self._decoded:
                    return

    def _converted(self, frame: "av.AudioFrame") -> list["av.AudioFrame"]:
        """Gives float frames of the first frame's channels and rate."""
        import av

        parts: list[av.AudioFrame] = []
        kind = (frame.format.name, frame.layout.name, frame.rate)
        if kind != self._converts:  # the first frame, or a stream that changes on its way
            if self._resampler is not None:
                parts += self._resampler.resample(None)
            first = self._first or frame
            self._resampler = av.AudioResampler("fltp", first.layout, first.rate)
            self._converts = kind
        frame.pts = None
        return [*parts, *self._resampler.resample(frame)] if self._resampler else parts

    @property
    def _decoded_s(self) -> float:
        return self._decoded / self._rate_hz if self._rate_hz else 0.0

    def _check_end(self) -> None:
        promised_s = self._promised_s()
        if self._decoded_s < promised_s * (1 - _SLACK_SHARE) - _SLACK_S:
            raise AudioError(
                f"{self.name}: truncated or damaged after {self._decoded_s:.2f} s of the"
                f" {promised_s:.2f} s that its header promises; {FETCH_AGAIN}"
            )
        if self._damaged_packets * _DAMAGED_SHARE > self._packets:
            raise AudioError(
                f"{self.name}: {self._damaged_packets:,} of {self._packets:,} packets of sound are"
                f" damaged; {FETCH_AGAIN}"
            )
        if self._damaged_packets:
            text = f"{self._damaged_packets:,} damaged packets of sound were left out"
            self.issues.append((IssueKind.DAMAGED, text))
        has_equal_frames = self._container.format.name in _EQUAL_FRAMES
        if has_equal_frames and self._packet_sizes[-1] < self._packet_sizes[0]:
            text = "its last frame is incomplete: the end may be cut off"
            self.issues.append((IssueKind.UNFINISHED, text))

    def _promised_s(self) -> float:
        import av

        if self._container.format.name.partition(",")[0] not in _KNOW_DURATION:
            return 0.0
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        if len(self._container.streams) == 1 and self._container.duration:
            return self._container.duration / av.time_base
        return 0.0


def _kept_by_mistake(packet: "av.Packet[Any]", head: bytes | None) -> int:
    """How many frames at the beginning of an Opus track FFmpeg does not drop, but should.

    The header counts them at 48 kHz. FFmpeg's reader of Matroska and WebM counts them at the rate
    of the original, where that is declared.
    """
    if head is None or not head.startswith(b"OpusHead"):
        return 0
    for data in packet.iter_sidedata():
        if data.data_type == "skip_samples":
            skipped = int.from_bytes(bytes(data)[:4], "little")
            return max(0, int.from_bytes(head[10:12], "little") - skipped)
    return 0
