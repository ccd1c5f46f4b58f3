"""Grids: which systems, folds and seeds make a table or a figure of the paper."""

from dataclasses import dataclass

from seqcap.errors import SettingsError
from seqcap.experiments.plan_files import Combination
from seqcap.training.settings import TrainingSettings, read_settings

PAPER_SEEDS = (0, 1, 2, 3, 4)  # Sec. VI-A: five runs with different seeds


@dataclass(frozen=True)
class Entry:
    """One row of a grid's table.

    Attributes:
        label: Its name in the report; unique in its grid.
        system: One of ``SYSTEMS``, or your own as ``module:function``.
        overrides: Its own settings, each ``key=value``.

    Example:
        >>> Entry("longer", "CNN_SeqCap", ("epochs=30",)).system
        'CNN_SeqCap'
    """

    label: str
    system: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Entries × folds × seeds, and what the report shows of them.

    Attributes:
        name: Name of its file, without ending.
        title: One line.
        purpose: The comment at the top of its file.
        shows: Sections of the report.
        labels: Label set.
        folds: Scheme, or a file of folds.
        seeds: In the order in which they are run.
        recipe: Recipe that settings start from.
        overrides: Settings of all entries, each ``key=value``; an entry's own override them.
        last_overrides: Settings that override all others: the command line's.
        trains: False if nothing has to be run.
        gradients: Keep the gradients of Fig. 8 of each run.
        entries: In the order of the table.
        combinations: In the order of the table.

    Example:
        >>> grid = Grid("mine", "Windows", entries=(Entry("short", "CNN_SeqCap"),))
        >>> grid.seeds, grid.folds
        ((0, 1, 2, 3, 4), 'paper')
    """

    name: str
    title: str
    purpose: str = ""
    shows: tuple[str, ...] = ()
    labels: str = "paper4"
    folds: str = "paper"
    seeds: tuple[int, ...] = PAPER_SEEDS
    recipe: str = "paper"
    overrides: tuple[str, ...] = ()
    last_overrides: tuple[str, ...] = ()
    trains: bool = True
    gradients: bool = False
    entries: tuple[Entry, ...] = ()
    combinations: tuple[Combination, ...] = ()

    def settings(self, entry: Entry, seed: int) -> TrainingSettings:
        """Gives the settings of one entry's runs with one seed.

        Args:
            entry: One of the grid's.
            seed: Random seed of the run.

        Raises:
            SettingsError: An unknown recipe or key, or an impossible value.

        Example:
            >>> entry = Entry("longer", "CNN_SeqCap", ("epochs=30",))
            >>> Grid("mine", "Longer", entries=(entry,)).settings(entry, seed=1).epochs
            30
        """
        overrides = (*self.overrides, *entry.overrides, *self.last_overrides)
        try:
            return read_settings(self.recipe, overrides, system=entry.system, seed=seed)
        except SettingsError as error:
            if entry.overrides:
                raise SettingsError(f"entry '{entry.label}': {error}") from error
            raise
