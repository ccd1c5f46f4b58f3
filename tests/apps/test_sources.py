"""What paths on the command line mean, where rights are missing."""

import sys

import pytest
from rights import folder_of_a_common_user

from seqcap.apps.sources import find_recordings


@pytest.mark.skipif(sys.platform == "win32", reason="rights of Unix")
def test_paths_without_rights_are_named_and_the_others_found():
    with folder_of_a_common_user() as folder:
        (folder / "locked").mkdir()
        for name in ("ok.wav", "locked/x.wav", "also.wav"):
            (folder / name).touch()
        (folder / "locked").chmod(0)
        paths = [str(folder / name) for name in ("ok.wav", "locked/x.wav", "also.wav", "locked")]
        found = find_recordings(paths)
        (folder / "locked").chmod(0o755)
    assert list(found.recordings) == [paths[0], paths[2]]
    assert [problem.partition(": ")[0] for problem in found.problems] == [paths[1], paths[3]]
    assert all("rights" in problem for problem in found.problems)
