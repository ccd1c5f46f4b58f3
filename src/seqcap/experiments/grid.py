"""Grids: which systems, folds and seeds make a table or a figure of the paper."""

from dataclasses import dataclass

from seqcap.errors import SettingsError
from seqcap.training.settings import TrainingSettings, read_settings

PAPER_SEEDS = (0, 1, 2, 3, 4)  # Sec. VI-A: five runs with different seeds


@dataclass(frozen=True)
class Entry:
    """One line of a grid's table.

    Attributes:
        label: What the report calls it; unique in its grid.
        system: One of ``SYSTEMS``, or one's own as ``module:function``.
        overrides: Its own settings, each ``key=value``.
    """

    label: str
    system: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Combination:
    """The average of finished entries' probabilities, made without training.

    Attributes:
        label: As the paper writes it, ``CNN_GRU + CNN_SeqCap``.
        of: Labels of entries.
    """

    label: str
    of: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """Entries x folds x seeds, and what is shown of them.

    Attributes:
        name: Of its file, without ending.
        title: One line.
        purpose: The comment that its file opens with.
        shows: Sections of the report that it asks for.
        labels: Label set.
        folds: Scheme, or a file of folds.
        seeds: In the order in which they are run.
        recipe: What settings begin with.
        overrides: Settings of all entries, each ``key=value``; an entry's own win over them.
        last_overrides: Settings that win over all others: the command line's.
        trains: False if nothing has to be run.
        gradients: Keep those of Fig. 8 from each run.
        entries: In the order of the table.
        combinations: Likewise.
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
        """Settings of one entry's runs with one seed.

        Raises:
            SettingsError: An unknown recipe or key, or a value that cannot be.
        """
        overrides = (*self.overrides, *entry.overrides, *self.last_overrides)
        try:
            return read_settings(self.recipe, overrides, system=entry.system, seed=seed)
        except SettingsError as error:
            if entry.overrides:
                raise SettingsError(f"entry '{entry.label}': {error}") from error
            raise
