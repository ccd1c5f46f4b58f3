import xml.etree.ElementTree as ElementTree

import pytest


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param("svg", marks=pytest.mark.slow),
        pytest.param("png", marks=pytest.mark.slow),
        "html",
    ],
)
def test_an_explanation_is_drawn(seqcap, model_folder, samples, tmp_path, ending):
    figure = tmp_path / f"why.{ending}"
    run = seqcap("explain", samples[0], "--figure", figure, "--model", model_folder)
    assert run.status == 0
    assert f"explained in {figure}" in run.err
    if ending == "png":
        assert figure.read_bytes().startswith(b"\x89PNG")
        return
    text = figure.read_text()
    svg = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    words = " ".join(svg.itertext())
    for word in ("Waveform", "integrated gradients", "neutral", "sadness"):
        assert word in words
    assert ("<table>" in text) == (ending == "html")


def test_another_ending_is_refused_before_anything_is_computed(seqcap, tmp_path):
    run = seqcap("explain", "missing.wav", "--figure", tmp_path / "why.gif")
    assert run.status == 2
    assert ".svg, .png, .html is expected" in run.err
