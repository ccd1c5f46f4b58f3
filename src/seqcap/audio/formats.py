"""The endings of sound files: the one list that every search of a folder uses.

Endings only select files in folders. What a file is, its content decides.
"""

from pathlib import PurePath

# In order of preference where a corpus holds one recording in several formats: lossless first.
_CORE = """
.wav .flac .aiff .aif .aifc .w64 .rf64 .bwf .au .snd .caf .sph .nist .voc .svx
.ogg .oga .opus .mp3 .mp2 .mpga
"""
# PyAV reads these (extra `formats`): phones, browsers, messengers, meetings, films.
_MEDIA = """
.m4a .m4b .aac .mp4 .m4v .mov .qt .webm .mka .mkv .wma .wmv .asf .amr .awb .3gp .3ga .3g2
.spx .ac3 .eac3 .dts .ape .wv .tta .ogv .ogx .avi .flv .mpg .mpeg .m2ts .mts .alac
"""
ENDINGS = (*_CORE.split(), *_MEDIA.split())


def has_sound_ending(name: str) -> bool:
    """Says whether a file's name ends as those of sound files do, in upper or lower case.

    Args:
        name: Of a file, with or without its folder.

    Example:
        >>> has_sound_ending("call.M4A"), has_sound_ending("notes.txt")
        (True, False)
    """
    return PurePath(name).suffix.lower() in ENDINGS
