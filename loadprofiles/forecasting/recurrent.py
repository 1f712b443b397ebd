"""One recurrent network over all meters, all steps ahead at once: Keras' LSTM on the last days and `design`'s rows.

An LSTM (Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735) reads the last days before the origin, a day
at a time. Its state joins the row of each step ahead, and dense layers make one number of both. What is learnt is what
`boosting` learns: the energy relative to the base of `features`, in units of the meter's scale, by absolute error.

Keras and TensorFlow are imported by the functions that need them: it takes seconds.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loadprofiles.forecasting.design import CALENDAR, CLUSTER, SECTOR, Context, draw_origins, make_rows, targets
from loadprofiles.forecasting.features import Rows
from loadprofiles.forecasting.kernels import Rows32
from loadprofiles.forecasting.local import past_of
from loadprofiles.forecasting.panel import Floats, Grid, Ints, Panel
from loadprofiles.forecasting.shapes import find_shapes
from loadprofiles.quality import MINUTES_A_DAY

MODEL_FILE = "model.keras"
STANDARDS_FILE = "standards.npy"
SHAPES_FILE = "shapes.npy"

PAST_DAYS = 14
"""What the LSTM reads, a day a step: or a step of the panel, where that is longer."""

UNITS = 48
DENSE = (96, 64)
DROPPED = 0.1
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-3
EPOCHS = 15
"""Chosen on the days before the benchmark's test window; see docs/forecasting.md."""

MAX_ROWS = 72_000
MAX_QUERIES = 6_000
"""Rows, and forecasts, that are learnt from: more take longer and change little."""

VALIDATION = 0.12
"""The part of the origins, the last by time, that tells when to stop."""

_BATCH_ROWS, _BATCH_LEAST, _BATCH_MOST = 3_072, 16, 128
_LEAST_BATCHES = 8
_LEAST_UPDATES = 300
_PATIENCE = 4
_CHUNK = 1024
_CLIP = 5.0
"""What lies farther from the base, in scales, counts as this far: a fault is not to be learnt."""

_CLIP_STANDARD = 6.0
_WEEKS = 8
_WEEK_KEPT = 0.7
_WAVES = (1, 2, 3)

_ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
"""While TensorFlow is imported: no greetings, and without oneDNN, whose sums differ between machines, as fast."""

_KERAS_OWN = "__array__ implementation doesn't accept a copy keyword"
"""A warning to Keras about TensorFlow: of how NumPy 2 reads TensorFlow's variables when they are saved."""


@dataclass(frozen=True, eq=False)
class RecurrentModel:
    """A fitted model.

    Attributes:
        network: A `keras.Model`, of the last days and the rows ahead.
        standards: Mean and standard deviation of each amount of a row, shape (2, amounts).
        context: Of the rows it was fitted to.
    """

    network: Any
    standards: Floats
    context: Context

    def forecast(self, panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Floats:
        """Energies in kWh, shape (queries, horizon); NaN where the past tells nothing."""
        energies = np.empty((len(meters), horizon))
        for first in range(0, len(meters), _CHUNK):
            part = slice(first, first + _CHUNK)
            given = _know(panel, self.context, meters[part], origins[part], horizon)
            # called, not `predict`: that would first compile a graph, for a few forecasts
            relative = np.asarray(self.network(given.inputs(self.standards), training=False), np.float64)
            energies[part] = given.description.to_kwh(relative[..., 0])
        return energies

    def save(self, folder: Path) -> None:
        """Write the model in Keras' own format, and what its rows are made with."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _KERAS_OWN, DeprecationWarning, module=r"keras\.")
            self.network.save(folder / MODEL_FILE)
        np.save(folder / STANDARDS_FILE, self.standards)
        np.save(folder / SHAPES_FILE, np.empty((0, 0)) if self.context.shapes is None else self.context.shapes)


def load(folder: Path, context: Context) -> RecurrentModel:
    """A model that `RecurrentModel.save` has written."""
    network = _keras().models.load_model(folder / MODEL_FILE, compile=False)
    standards, shapes = (np.load(folder / name, allow_pickle=False) for name in (STANDARDS_FILE, SHAPES_FILE))
    return RecurrentModel(network, standards, replace(context, shapes=shapes))


def fit(panel: Panel, context: Context, horizon: int, stride: int, seed: int, threads: int) -> RecurrentModel | None:
    """Fit to all that a panel knows; the last of it, by time, tells when to stop.

    Args:
        panel: What was known when the model is fitted, `Panel.before` of a longer one.
        context: What else is known of meters.
        horizon: Steps ahead.
        stride: Steps between origins.
        seed: Of the draw of origins and of the network. Those of Python and NumPy are set to it, too.
        threads: How many, where TensorFlow has not begun with others in this process.

    Returns:
        The model; None where there are no two origins, one after the other's horizon, to learn from.
    """
    meters, origins = draw_origins(panel, horizon, stride, min(MAX_ROWS, MAX_QUERIES * horizon), seed)
    energies = targets(panel, meters, origins, horizon)
    if not np.isfinite(energies).any():
        return None
    context = replace(context, shapes=find_shapes(panel, seed))
    lessons = _make_lessons(_know(panel, context, meters, origins, horizon), energies, origins)
    return _train(lessons, context, seed, threads) if lessons else None


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known at origins.

    Attributes:
        past: Shape (queries, days, numbers), the last days.
        amounts: Shape (queries, horizon, amounts), as in `design`'s rows; NaN where not known.
        marks: Shape (queries, horizon, marks), time and kinds as numbers from -1 to 1.
        description: Of the queries.
    """

    past: Rows32
    amounts: Rows32
    marks: Rows32
    description: Rows

    def inputs(self, standards: Floats) -> list[Rows32]:
        """What the network is given: what is not known counts as usual."""
        mean, deviation = standards
        amounts = np.clip((self.amounts - mean) / deviation, -_CLIP_STANDARD, _CLIP_STANDARD)
        return [self.past, np.concatenate([_zero_unknown(amounts), self.marks], axis=-1)]


@dataclass(frozen=True, eq=False)
class _Lessons:
    """What came of origins: the network's inputs, its answers relative to base and scale, and which of them count."""

    standards: Floats
    inputs: list[Rows32]
    relative: Rows32
    counts: Rows32
    training: npt.NDArray[np.bool_]
    validation: npt.NDArray[np.bool_]

    def part(self, chosen: npt.NDArray[np.bool_]) -> tuple[list[Rows32], Rows32, Rows32]:
        """Some of them, as Keras wants them."""
        return [values[chosen] for values in self.inputs], self.relative[chosen], self.counts[chosen]


def _make_lessons(given: _Known, energy_kwh: Floats, origins: Ints) -> _Lessons | None:
    """Of what was known at origins, and used after them, shape (queries, horizon); None if one part would be empty."""
    relative = given.description.to_relative(energy_kwh)
    counts = np.isfinite(relative)
    training, validation = _split(origins, relative.shape[1], np.asarray(counts.any(axis=1)))
    if not training.any():
        return None
    standards = _standards(given.amounts[training])
    answers = np.clip(_zero_unknown(relative), -_CLIP, _CLIP)[..., np.newaxis]
    return _Lessons(standards, given.inputs(standards), answers, counts.astype(np.float32), training, validation)


def _split(
    origins: Ints, horizon: int, usable: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The origins to learn from, and the later ones to validate by; no horizon of the first reaches the latter."""
    if not usable.any():
        return usable, usable
    ordered = np.sort(origins[usable])
    cut = ordered[int(len(ordered) * (1 - VALIDATION))]
    return usable & (origins + horizon <= cut), usable & (origins >= cut)


def _standards(amounts: Rows32) -> Floats:
    """Mean and standard deviation of each amount, of those that are known; 0 and 1 where there are none."""
    flat = amounts.reshape(-1, amounts.shape[-1]).astype(np.float64)
    known = np.isfinite(flat)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, flat, 0).sum(axis=0) / count
    deviation = np.sqrt((np.where(known, flat - mean, 0) ** 2).sum(axis=0) / count)
    return np.stack([mean, np.where(deviation > 0, deviation, 1.0)])


def _zero_unknown(values: npt.NDArray[np.floating]) -> Rows32:
    return np.where(np.isfinite(values), values, 0).astype(np.float32)


def _know(panel: Panel, context: Context, meters: Ints, origins: Ints, horizon: int) -> _Known:
    rows, description = make_rows(panel, context, meters, origins, horizon)
    kinds = {*CALENDAR, *_categories(context)}
    amounts = [place for place, name in enumerate(context.names) if name not in kinds]
    past = _past(panel, meters, origins, description.scale_kwh)
    return _Known(past, rows[..., amounts], _marks(rows, context, panel.grid), description)


def _marks(rows: Rows32, context: Context, grid: Grid) -> Rows32:
    """The time of day as waves; weekday and categories as a 1 among zeros, zeros only where one is not known."""
    time, weekday = (rows[..., context.names.index(name)] for name in CALENDAR)
    angle = 2 * np.pi * time / grid.day_steps
    waves = [wave(n * angle)[..., np.newaxis] for n in _WAVES for wave in (np.sin, np.cos)]
    kinds = [weekday[..., np.newaxis] == np.arange(7)]
    for name, count in _categories(context).items():
        kinds.append(rows[..., [context.names.index(name)]] == np.arange(count))
    return np.concatenate([*waves, *kinds], axis=-1).astype(np.float32)


def _categories(context: Context) -> dict[str, int]:
    """The columns of a row that name a kind, and how many kinds there are."""
    counts = {SECTOR: len(context.sector_names), CLUSTER: 0 if context.shapes is None else len(context.shapes)}
    return {name: count for name, count in counts.items() if name in context.names}


def _past(panel: Panel, meters: Ints, origins: Ints, scale_kwh: Floats) -> Rows32:
    """The last days before origins, shape (queries, days, numbers).

    Of each step: its energy, and that less the weighted mean of the same step of the weeks before, both in scales; and
    whether it is known. Of each day: where it stands in the day and the week.
    """
    grid = panel.grid
    size = max(1, MINUTES_A_DAY // grid.frequency_minutes)
    days = grid.steps_in(PAST_DAYS) // size
    length, week = days * size, grid.week_steps
    pasts = np.array([past_of(panel, m, o, length + _WEEKS * week) for m, o in zip(meters, origins, strict=True)])
    last = pasts[:, -length:]
    scale = scale_kwh[:, np.newaxis]
    numbers = np.stack([(last - _usual(pasts, length, week)) / scale, last / scale], axis=-1)
    steps = np.concatenate([_zero_unknown(np.clip(numbers, -_CLIP, _CLIP)), np.isfinite(numbers[..., 1:])], axis=-1)
    # counted from 1970: wherever a panel begins, a Monday is a Monday
    starts = grid.first_day * MINUTES_A_DAY // grid.frequency_minutes + origins[:, np.newaxis]
    starts = starts + np.arange(-length, 0, size)
    angles = [2 * np.pi * (starts % season) / season for season in (grid.day_steps, week)]
    waves = [wave(angle)[..., np.newaxis] for angle in angles for wave in (np.sin, np.cos)]
    return np.concatenate([steps.reshape(len(pasts), days, -1), *waves], axis=-1).astype(np.float32)


def _usual(pasts: Floats, length: int, week: int) -> Floats:
    """For the last steps, the mean of the same step of 8 weeks before, each counting less than the one after it."""
    total, weights = np.zeros((len(pasts), length)), np.zeros((len(pasts), length))
    for n in range(_WEEKS):
        first = (_WEEKS - 1 - n) * week
        values = pasts[:, first : first + length]
        known = ~np.isnan(values)
        total += np.where(known, values, 0) * _WEEK_KEPT**n
        weights += known * _WEEK_KEPT**n
    return np.where(weights > 0, total / np.where(weights > 0, weights, 1), np.nan)


def _train(lessons: _Lessons, context: Context, seed: int, threads: int) -> RecurrentModel:
    keras = _keras()
    _limit_threads(threads)
    # of the fits before; their models stay
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    count, horizon = int(lessons.training.sum()), lessons.relative.shape[1]
    batch = int(np.clip(min(_BATCH_ROWS // horizon, count // _LEAST_BATCHES), _BATCH_LEAST, _BATCH_MOST))
    updates = -(-count // batch)
    # the fewer there are, the more often each is seen
    epochs = max(EPOCHS, -(-_LEAST_UPDATES // updates))
    past, ahead = lessons.inputs
    network = _build(past.shape[1], past.shape[2], ahead.shape[2])
    # another model of the same layers: the network is kept without what only training needs
    trained = keras.Model(network.inputs, network.outputs)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * updates)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY, clipnorm=1.0)
    # else the first update does it, and TensorFlow traces that twice
    optimizer.build(trained.trainable_variables)
    trained.compile(optimizer, loss="mae", jit_compile=False)
    inputs, relative, counts = lessons.part(lessons.training)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=max(_PATIENCE, epochs // 4), restore_best_weights=True)
    trained.fit(
        inputs,
        relative,
        sample_weight=counts,
        validation_data=lessons.part(lessons.validation),
        batch_size=batch,
        epochs=epochs,
        callbacks=[stop],
        verbose=0,
    )
    return RecurrentModel(network, lessons.standards, context)


def _build(days: int, past_numbers: int, ahead_numbers: int) -> Any:
    keras = _keras()
    layers = keras.layers
    past = keras.Input((days, past_numbers), name="past")
    ahead = keras.Input((None, ahead_numbers), name="ahead")
    state = layers.Dropout(DROPPED)(layers.LSTM(UNITS)(past))
    # the same as a dense layer of both, the state's part computed once for all steps ahead
    of_state = layers.Reshape((1, DENSE[0]))(layers.Dense(DENSE[0], use_bias=False)(state))
    x = layers.Activation("relu")(layers.Add()([layers.Dense(DENSE[0])(ahead), of_state]))
    for units in DENSE[1:]:
        x = layers.Dense(units, activation="relu")(layers.Dropout(DROPPED)(x))
    # it begins with the base
    return keras.Model([past, ahead], layers.Dense(1, kernel_initializer="zeros")(layers.Dropout(DROPPED)(x)))


@cache
def _keras() -> Any:
    with _environment(_ENVIRONMENT):
        import keras
    return keras


def _limit_threads(threads: int) -> None:
    import tensorflow

    # refused where it has computed before: it then keeps what it has
    with contextlib.suppress(RuntimeError):
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Settings of this process, as long as the block runs."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
