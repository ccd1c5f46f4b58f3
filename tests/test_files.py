import os
import stat
import sys

import pytest

from seqcap.files import atomic_write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights and links of Unix")


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_a_new_file_has_the_rights_that_the_umask_leaves(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "a.csv") as path:
            path.write_text("x")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "a.csv") == mode


def test_a_file_that_is_replaced_keeps_its_rights(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("old")
    file.chmod(0o640)
    with atomic_write(file) as path:
        path.write_text("new")
    assert (file.read_text(), mode_of(file)) == ("new", 0o640)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.csv").write_text("old")
    (tmp_path / "a.csv").symlink_to(tmp_path / "far" / "a.csv")
    with atomic_write(tmp_path / "a.csv") as path:
        path.write_text("new")
    assert (tmp_path / "a.csv").is_symlink()
    assert (tmp_path / "far" / "a.csv").read_text() == "new"


def test_a_failure_leaves_the_old_file_and_names_it(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("old")
    with pytest.raises(OSError, match="No space") as raised, atomic_write(file):
        raise OSError(28, "No space left on device")
    assert raised.value.filename == str(file)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert file.read_text() == "old"
