import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from s3_stand_in import Objects, s3_server

from seqcap.errors import CorpusError, SettingsError
from seqcap.recognition.answers import Answer
from seqcap.recognition.recognizer import Recognizer

pytest.importorskip("ray")
pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402
from pyarrow import fs  # noqa: E402

from seqcap.recognition import bulk_files  # noqa: E402
from seqcap.recognition.bulk import Bulk, keys_written, table_of  # noqa: E402
from seqcap.recognition.bulk_items import Item, find_units, unpack  # noqa: E402
from seqcap.recognition.bulk_worker import BulkSettings, BulkWorker, Tally  # noqa: E402

EMOTIONS = ["neutral", "anger", "happiness", "sadness"]
NONE = np.empty(0, np.uint64)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, samples: list[Path]) -> Path:
    """Twelve files: real speech, copies in a folder below, silence, and two that are no sound."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "below").mkdir()
    for sample in samples[:4]:
        shutil.copy(sample, folder / sample.name)
        shutil.copy(sample, folder / "below" / f"copy-{sample.name}")
    soundfile.write(folder / "silence.flac", np.zeros(16000), 16000)
    (folder / "bad.wav").write_bytes(b"no sound at all")
    (folder / "below" / "torn.wav").write_bytes(samples[0].read_bytes()[:9999])
    (folder / "notes.txt").write_text("no recording")
    (folder / ".hidden.wav").write_bytes(b"no recording")
    return folder


@pytest.fixture(scope="module")
def predicted(archive: Path, model_folder: Path) -> dict[str, Any]:
    """What `predict` would say, by file."""
    recognizer = Recognizer.from_pretrained(model_folder, "cpu")
    files = sorted(str(file) for file in archive.rglob("[!.]*") if file.suffix in (".wav", ".flac"))
    answers = recognizer.recognize_many(files, timeline=True, warn=False)
    return dict(zip(files, answers, strict=True))


def settings_for(output: object, model: Path, **others: Any) -> BulkSettings:
    return BulkSettings(str(output), (str(model),), device="cpu", **others)


def rows_of(output: object) -> pd.DataFrame:
    """The answers, in an order that does not depend on who wrote which file."""
    return table_of(str(output)).to_pandas().sort_values("key", ignore_index=True)


def assert_like_predict(
    rows: pd.DataFrame, predicted: dict[str, Any], names: Any = str, timeline: bool = False
) -> None:
    assert sorted(rows["file"]) == sorted(map(names, predicted))
    by_file = rows.set_index("file")
    for file, answer in predicted.items():
        row = by_file.loc[names(file)]
        if not isinstance(answer, Answer):
            assert row["error"] == answer.reason.replace(file, names(file))
            assert row[EMOTIONS].isna().all()
            continue
        assert row["error"] is None or pd.isna(row["error"])
        assert (row["start"], row["end"], row["predicted"]) == (
            answer.start,
            answer.end,
            answer.predicted,
        )
        probabilities = list(answer.probabilities.values())
        np.testing.assert_allclose(row[EMOTIONS].astype(float), probabilities, atol=1e-5)
        if timeline:
            assert [piece["end"] for piece in row["timeline"]] == [p.end for p in answer.timeline]


@pytest.mark.slow
def test_a_folder_is_answered_as_by_predict_and_bad_files_are_rows(
    archive: Path, predicted: dict[str, Any], model_folder: Path, tmp_path: Path
) -> None:
    work = Bulk(str(archive), settings_for(tmp_path / "out", model_folder, timeline=True), 4)
    assert (work.before, work.waiting) == (0, 11)
    done = sum(work.here(), Tally())
    assert (done.recognised, done.failed) == (9, 2)
    rows = rows_of(tmp_path / "out")
    assert_like_predict(rows, predicted, timeline=True)
    for file, codes in zip(rows["file"], rows["warnings"], strict=True):
        answer = predicted[file]
        expected = answer.to_dict()["warnings"] if isinstance(answer, Answer) else []
        assert codes.tolist() == expected
    silence = str(archive / "silence.flac")
    assert rows.set_index("file")["warnings"][silence].tolist() == ["silence"]
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) == 3
    # Any reader of Parquet takes the folder as one table.
    assert len(pd.read_parquet(tmp_path / "out")) == 11


@pytest.mark.slow
def test_an_interrupted_recognition_is_resumed_to_the_same_rows(
    archive: Path, model_folder: Path, tmp_path: Path
) -> None:
    whole = Bulk(str(archive), settings_for(tmp_path / "whole", model_folder), 2)
    assert len(list(whole.here())) == 6
    first = Bulk(str(archive), settings_for(tmp_path / "cut", model_folder), 3)
    stopped = first.here()
    next(stopped)
    stopped.close()
    # A killed process leaves its temporary file.
    (tmp_path / "cut" / ".part-0123.parquet").write_bytes(b"torn")
    second = Bulk(str(archive), settings_for(tmp_path / "cut", model_folder), 5)
    assert (second.before, second.waiting) == (3, 8)
    list(second.here())
    pd.testing.assert_frame_equal(rows_of(tmp_path / "cut"), rows_of(tmp_path / "whole"), atol=1e-5)
    assert list(Bulk(str(archive), settings_for(tmp_path / "cut", model_folder)).here()) == []


def test_only_new_recordings_are_answered_later(
    archive: Path, model_folder: Path, samples: list[Path], tmp_path: Path
) -> None:
    source = tmp_path / "calls"
    source.mkdir()
    shutil.copy(samples[0], source / "b.wav")
    settings = settings_for(tmp_path / "out", model_folder)
    list(Bulk(str(source), settings).here())
    shutil.copy(samples[1], source / "a.wav")
    later = Bulk(str(source), settings)
    assert (later.before, later.waiting) == (1, 1)
    list(later.here())
    assert sorted(rows_of(tmp_path / "out")["file"]) == [
        str(source / n) for n in ("a.wav", "b.wav")
    ]


def test_parts_named_by_a_table_are_answered_as_parts(
    archive: Path, model_folder: Path, samples: list[Path], tmp_path: Path
) -> None:
    table = pd.DataFrame(
        {
            "file": [str(samples[0]), samples[1].name, samples[1].name, "absent.wav"],
            "start": [0.5, None, 0.25, None],
            "end": [1.5, None, None, 3.0],
            "speaker": "a",
        }
    )
    table.to_csv(samples_table := tmp_path / "t.csv", index=False)
    shutil.copy(samples[1], tmp_path / samples[1].name)
    table.to_parquet(tmp_path / "t.parquet")
    recognizer = Recognizer.from_pretrained(model_folder, "cpu")
    for place in (samples_table, tmp_path / "t.parquet"):
        output = tmp_path / f"out{place.suffix}"
        done = sum(Bulk(str(place), settings_for(output, model_folder)).here(), Tally())
        assert (done.recognised, done.failed) == (3, 1)
        rows = table_of(str(output)).to_pandas()
        assert rows["start"].tolist() == [0.5, 0.0, 0.25, 0.0]
        expected = recognizer.recognize(samples[0], start_s=0.5, end_s=1.5)
        assert rows["end"][0] == expected.end
        np.testing.assert_allclose(
            rows.loc[0, EMOTIONS].astype(float), list(expected.probabilities.values()), atol=1e-5
        )
        assert rows["error"][3] == f"{tmp_path / 'absent.wav'}: no such file; check the path"


@pytest.mark.parametrize("layout", ["bytes", "audio", "nameless"])
def test_recordings_in_parquet_are_answered_under_their_names(
    layout: str, archive: Path, predicted: dict[str, Any], model_folder: Path, tmp_path: Path
) -> None:
    contents = [Path(file).read_bytes() for file in predicted]
    names = [Path(file).name for file in predicted]
    columns: dict[str, Any] = {
        "bytes": {"file": names, "bytes": contents},
        "audio": {"audio": [{"bytes": c, "path": n} for c, n in zip(contents, names, strict=True)]},
        "nameless": {"label": names, "content": contents},
    }[layout]
    place = tmp_path / "set.parquet"
    pq.write_table(pa.table(columns), place, row_group_size=3)
    work = Bulk(str(place), settings_for(tmp_path / "out", model_folder), 5)
    next(work.here())
    list(Bulk(str(place), settings_for(tmp_path / "out", model_folder), 5).here())
    rows = rows_of(tmp_path / "out")
    assert set(rows["parquet"]) == {str(place)}
    order = {file: f"{place}#{row}" for row, file in enumerate(predicted)}
    assert_like_predict(
        rows, predicted, order.__getitem__ if layout == "nameless" else lambda f: Path(f).name
    )


@pytest.fixture
def bucket(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    """A bucket "calls" with the archive, and one for answers."""
    with s3_server() as (endpoint, objects):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for file in archive.rglob("*.*"):
            if file.is_file():
                objects[f"calls/2024/{file.relative_to(archive)}"] = file.read_bytes()
        yield objects


@pytest.mark.slow
def test_buckets_are_read_and_written(
    bucket: Objects, archive: Path, predicted: dict[str, Any], model_folder: Path
) -> None:
    settings = settings_for("s3://answers/2024", model_folder)
    next(Bulk("s3://calls/2024", settings, 4).here())
    resumed = Bulk("s3://calls/2024", settings, 4)
    assert (resumed.before, resumed.waiting) == (4, 7)
    del bucket["calls/2024/silence.flac"]
    list(resumed.here())
    rows = rows_of("s3://answers/2024").set_index("file", drop=False)
    lost = rows.loc["s3://calls/2024/silence.flac"]
    assert lost["error"].startswith("s3://calls/2024/silence.flac: cannot be fetched (Path does")
    expected = {file: a for file, a in predicted.items() if not file.endswith("silence.flac")}
    assert_like_predict(
        rows[rows["file"] != lost["file"]],
        expected,
        lambda file: f"s3://calls/2024/{Path(file).relative_to(archive)}",
    )
    assert all(name.startswith(("calls/2024/", "answers/2024/")) for name in bucket)


def test_sources_of_fsspec_are_read_too(samples: list[Path], model_folder: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/calls/a.wav", samples[0].read_bytes())
    output = "memory://answers"
    list(Bulk("memory://calls", settings_for(output, model_folder)).here())
    assert rows_of(output)["file"].tolist() == ["memory://calls/a.wav"]
    memory.rm("/", recursive=True)


def test_buckets_of_google_are_read_and_written_by_arrow(
    samples: list[Path], model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, path = bulk_files.locate("gs://anonymous@calls/2024/a b.wav")
    assert (system.type_name, path) == ("gcs", "calls/2024/a b.wav")

    # What Arrow's file system does with buckets, one in memory does as well.
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.pipe("/calls/2024/a.wav", samples[0].read_bytes())
    arrow = fs.PyFileSystem(fs.FSSpecHandler(memory))
    monkeypatch.setattr(bulk_files, "_arrow_file_system", lambda scheme, bucket: (arrow, bucket))
    settings = settings_for("gs://answers/2024", model_folder)
    list(Bulk("gs://calls/2024", settings).here())
    assert rows_of("gs://answers/2024")["file"].tolist() == ["gs://calls/2024/a.wav"]
    assert Bulk("gs://calls/2024", settings).waiting == 0
    memory.rm("/", recursive=True)


def test_what_cannot_be_used_is_refused_in_one_line(
    archive: Path, model_folder: Path, tmp_path: Path
) -> None:
    def told(source: object, output: object = tmp_path / "out", **others: Any) -> str:
        with pytest.raises((SettingsError, CorpusError)) as error:
            Bulk(str(source), settings_for(output, model_folder, **others))
        return str(error.value)

    assert told(tmp_path / "absent").endswith("absent: no such file or folder; check the path")
    (tmp_path / "empty").mkdir()
    assert "nothing to recognise; sound files, a table" in told(tmp_path / "empty")
    (tmp_path / "t.csv").write_text("path,emotion\na.wav,anger\n")
    assert "columns path, emotion came; 'file' is expected" in told(tmp_path / "t.csv")
    (tmp_path / "twice.csv").write_text("file\na.wav\nb.wav\na.wav\n")
    assert f"1 rows stand for what another row stands for, the first for {tmp_path}/a.wav" in told(
        tmp_path / "twice.csv"
    )
    (tmp_path / "comma.csv").write_text('file,start\na.wav,"1,5"\n')
    assert "comma.csv: no table that can be read" in told(tmp_path / "comma.csv")
    assert "the output is within the source" in told(archive, archive / "below" / "out")
    assert "nothing:// cannot be reached" in told("nothing://here").replace("here:", "")
    list(Bulk(str(archive), settings_for(tmp_path / "out", model_folder)).here())
    assert "its answers were made with another timeline" in told(archive, timeline=True)
    (tmp_path / "out" / "other.parquet").write_bytes(b"torn")
    assert "other.parquet: no file of 'seqcap bulk'" in told(archive)


def test_units_are_bounded_by_number_and_by_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(7):
        (tmp_path / f"{place}.wav").write_bytes(bytes(10))
    units = find_units(str(tmp_path), 3, NONE)
    assert [unit.item_count for unit in units] == [3, 3, 1]
    first = unpack(units[0])
    assert first == [Item(str(tmp_path / f"{place}.wav")) for place in range(3)]
    done = np.sort(np.array([item.key for item in first[1:]], np.uint64))
    assert [unit.item_count for unit in find_units(str(tmp_path), 3, done)] == [1, 3, 1]
    monkeypatch.setattr("seqcap.recognition.bulk_items.UNIT_BYTES", 20)
    assert [unit.item_count for unit in find_units(str(tmp_path), 3, NONE)] == [2, 2, 2, 1]


CLUSTER = """\
import os, signal, sys, threading, time
from pathlib import Path
import psutil
import ray
from ray.cluster_utils import Cluster
from seqcap.recognition.bulk import Bulk
from seqcap.recognition.bulk_worker import BulkSettings, Tally

source, output, model = sys.argv[1:]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
killed = []

def kill_a_worker():
    # The first that is at work once some answers are written.
    while not list(Path(output).glob("part-*.parquet")):
        time.sleep(0.05)
    while not killed:
        for process in psutil.Process().children(recursive=True):
            if process.name().startswith("ray::MapWorker"):
                process.send_signal(signal.SIGKILL)
                killed.append(process.pid)
                return
        time.sleep(0.01)

killer = threading.Thread(target=kill_a_worker, daemon=True)
killer.start()
work = Bulk(source, BulkSettings(output, (model,), device="cpu"), 6)
done = sum(work.by_ray(cluster.address), Tally())
print(done.recognised, done.failed, len(killed))
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ray is for Unix")
def test_a_cluster_of_two_nodes_ends_like_one_process_though_a_worker_is_killed(
    archive: Path, model_folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for copy in range(12):
        for file in archive.rglob("*.wav"):
            if not file.name.startswith("."):
                os.link(file, source / f"{copy}-{file.name}")
    list(Bulk(str(source), settings_for(tmp_path / "here", model_folder)).here())
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(
        [sys.executable, "-c", CLUSTER, str(source), str(tmp_path / "ray"), str(model_folder)],
        capture_output=True, text=True, timeout=500, env=environment,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split()[-3:] == ["96", "24", "1"], (ended.stdout, ended.stderr)
    pd.testing.assert_frame_equal(rows_of(tmp_path / "ray"), rows_of(tmp_path / "here"), atol=1e-5)


@pytest.mark.skipif(sys.platform == "win32", reason="Ray is for Unix")
@pytest.mark.slow
def test_a_recording_that_kills_its_workers_gets_a_row_and_the_others_their_answers(
    archive: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqcap.recognition import bulk_ray

    def dying(settings: object, units: Any, *_: object) -> Iterator[Tally]:
        """A cluster without Ray, in which bad.wav kills its reader."""
        worker = BulkWorker(settings)  # type: ignore[arg-type]
        sizes.append([unit.item_count for unit in units])
        for unit in units:
            items = unpack(unit)
            if not any(item.file.endswith("bad.wav") for item in items):
                yield worker.write(list(worker.rows(items)))

    sizes: list[list[int]] = []
    monkeypatch.setattr(bulk_ray, "recognise_by_ray", dying)
    monkeypatch.setattr("seqcap.recognition.bulk._SMALLER", (2, 1))
    work = Bulk(str(archive), settings_for(tmp_path / "out", model_folder), 8)
    done = sum(work.by_ray("none"), Tally())
    assert (done.recognised, done.failed) == (9, 2)
    assert sizes == [[8, 3], [2, 2, 2, 2], [1, 1]]
    rows = rows_of(tmp_path / "out").set_index("file")
    assert rows.loc[str(archive / "bad.wav"), "error"].startswith("the worker that recognised it")
    assert len(keys_written(str(tmp_path / "out"))[0]) == 11
