import pytest
from imported_modules import start

from seqcap.recognition.model_folder import DECIDE_FILE, ENCODE_FILE, GRAPH_FILE
from seqcap.recognition.recognizer import Recognizer


@pytest.mark.slow
def test_an_exported_model_answers_as_before_and_names_its_graphs(tmp_path, model_folder, samples):
    folder = tmp_path / "new" / "model"
    done = start("export", model_folder, folder, "--weights", "fp32")
    assert done.returncode == 0, done.stderr
    written = [str(folder / name) for name in (ENCODE_FILE, DECIDE_FILE, GRAPH_FILE)]
    assert done.stdout.splitlines() == written
    before, after = (
        Recognizer.from_pretrained(each).recognize(samples[0]) for each in (model_folder, folder)
    )
    assert after.probabilities == pytest.approx(before.probabilities, abs=1e-5)


@pytest.mark.slow
def test_a_folder_of_other_things_is_refused_in_one_line(tmp_path, model_folder):
    (tmp_path / "letter.txt").write_text("Dear")
    done = start("export", model_folder, tmp_path)
    assert done.returncode == 2
    assert "holds other files; an empty or new folder, or a model's, is expected" in done.stderr
