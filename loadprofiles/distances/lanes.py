"""The compiled part of the DTW engine: pairs side by side in the lanes of wide vectors.

One series is compared with a block of columns at once: lane `l` of every vector belongs to column `l`,
so all operations run on independent pairs and none is lost to a branch. Vectors are written out as such
(numba's own loops end up in 256 bits where the machine has 512), and each is longer than a register of
the machine: LLVM splits it into several, whose independent chains hide the latency of one cell's sums.

Per cell of the band: a subtraction, a multiply-add and two minima, no more than three loads and a store.

- `narrow_kernel` keeps the whole band row, 2 radius + 1 vectors, in registers: nothing is stored between
  the first row and the last. It is compiled once per radius.
- `wide_kernel` walks along two rows of the table at a time; the row above lies in the L1 cache.

Every pair goes through the same operations in the same order in both, from either side: the result does
not depend on the number of threads, on the block a pair falls into, or on which of the two is the column.

This is one file, with the vector operations it needs, since numba's cache of compiled code notices only
changes of the file a function stands in.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, register_model
from numpy.typing import NDArray

from loadprofiles.compiling import compiled
from loadprofiles.distances.checks import Floats

# Up to here the band's rows fit into the registers; measured, the wide kernel is faster beyond.
_LARGEST_NARROW_RADIUS = 4

_Kernel = Callable[[Floats, Floats, int, int, NDArray[np.int64], NDArray[np.int64], int, Floats], None]


def fill(
    queries: Floats,
    columns: Floats,
    block: tuple[int, int],
    starts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    radius: int,
    out: Floats,
) -> None:
    """Write the DTW of query i and column q to `out[offsets[i] + q]`, for q in the block from `starts[i]`.

    Args:
        queries: (m, points), finite, contiguous, float32 or float64.
        columns: (n, points), likewise, of the same type.
        block: first column, and the one after the last.
        starts: (m,), the first column each query is compared with.
        offsets: (m,), what to add to a column's number for its place in `out`.
        radius: half-width of the band in steps, 0..points - 1.
        out: flat, of the same type, written.
    """
    lanes = _lanes(radius, columns.dtype.itemsize)
    kernel = narrow_kernel(radius, lanes) if radius <= _LARGEST_NARROW_RADIUS else wide_kernel(lanes)
    kernel(queries, columns, block[0], block[1], starts, offsets, radius, out)


@functools.cache
def registers() -> tuple[int, int]:
    """Width in bytes, and number, of the vector registers that LLVM uses on this machine."""
    # NUMBA_CPU_FEATURES can take some of the machine's away.
    features = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    if "+avx512f" in features:
        return 64, 32
    return (32, 16) if "+avx" in features else (16, 16)


def _lanes(radius: int, itemsize: int) -> int:
    """Pairs side by side: as many as keep the band's rows in registers, and at least two registers full."""
    width, number = registers()
    full = number // 8 if radius <= 1 else number // 16
    return max(2, full) * width // itemsize


class _Lanes(types.Type):  # type: ignore[misc]  # numba's classes have no types
    """A vector of floats, one a lane."""

    def __init__(self, scalar: types.Float, count: int) -> None:
        self.scalar, self.count = scalar, count
        super().__init__(f"Lanes({scalar}, {count})")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: _Lanes) -> None:
        scalar = manager.lookup(lanes.scalar).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(scalar, lanes.count))


def _vector_operation(typing: Callable[..., Any]) -> Any:
    """A numba intrinsic, for the type checker a function like any other."""
    return intrinsic(typing)


@_vector_operation
def _spread(_: Any, value: types.Float, count: types.IntegerLiteral) -> Any:
    """The same value in all of `count` lanes."""
    lanes = _literal_lanes(value, count)

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return _broadcast(builder, context.get_value_type(lanes), arguments[0])

    return lanes and (lanes(value, count), emit)


@_vector_operation
def _like(_: Any, value: types.Float, lanes: _Lanes) -> Any:
    """The same value in as many lanes as another vector has."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return _broadcast(builder, context.get_value_type(lanes), arguments[0])

    return lanes(lanes.scalar, lanes), emit


@_vector_operation
def _load(_: Any, array: types.Array, number: types.Integer, lanes: _Lanes) -> Any:
    """Vector `number` of a flat array of vectors like the one given."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return _load_at(context, builder, array, arguments[0], context.get_value_type(lanes), arguments[1])

    return lanes(array, types.int64, lanes), emit


@_vector_operation
def _store(_: Any, array: types.Array, number: types.Integer, lanes: _Lanes) -> Any:
    """Write the lanes to a flat array of such vectors, as vector `number`."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        place = _pointer(context, builder, array, arguments[0], context.get_value_type(lanes), arguments[1])
        builder.store(arguments[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.int64, lanes), emit


@_vector_operation
def _store_at(_: Any, array: types.Array, position: types.Integer, lanes: _Lanes) -> Any:
    """Write the lanes to a flat array from any position on."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        data = context.make_array(array)(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), arguments[2].type.as_pointer())
        builder.store(arguments[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.int64, lanes), emit


@_vector_operation
def _minimum(_: Any, first: _Lanes, second: _Lanes) -> Any:
    """The lesser in each lane."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return _lesser(builder, *arguments)

    return first(first, second), emit


@_vector_operation
def _cell(_: Any, before: _Lanes, column: _Lanes, value: _Lanes) -> Any:
    """What was added up before, and the squared difference."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return _add_cost(builder, *arguments)

    return before(before, column, value), emit


@_vector_operation
def _root(_: Any, lanes: _Lanes) -> Any:
    """The square root in each lane."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        vector = context.get_value_type(lanes)
        name = f"llvm.sqrt.v{lanes.count}f{lanes.scalar.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), name)
        return builder.call(function, arguments)

    return lanes(lanes), emit


@_vector_operation
def _band_start(_: Any, array: types.Array, radius: types.IntegerLiteral, count: types.IntegerLiteral) -> Any:
    """The band row above the table: 0 before its first cell, infinity elsewhere."""
    lanes = _literal_lanes(array.dtype, count)
    if not lanes or not isinstance(radius, types.IntegerLiteral):
        return None
    row = types.UniTuple(lanes, 2 * radius.literal_value + 1)

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        vector = context.get_value_type(lanes)
        cells = [ir.Constant(vector, [0.0 if b == row.count // 2 else np.inf] * vector.count) for b in range(row.count)]
        return context.make_tuple(builder, row, cells)

    return row(array, radius, count), emit


@_vector_operation
def _band_row(_: Any, above: types.UniTuple, value: Any, columns: types.Array, number: types.Integer) -> Any:
    """One row of the band from the one above it; cell b is compared with vector `number` + b of the columns."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        vector = context.get_value_type(above.dtype)
        upper = [builder.extract_value(arguments[0], b) for b in range(above.count)]
        row: list[ir.Value] = []
        for b in range(above.count):
            # In band coordinates the diagonal neighbour is right above and the upper one beside that.
            before = _lesser(builder, upper[b], upper[b + 1]) if b + 1 < above.count else upper[b]
            before = _lesser(builder, before, row[-1]) if row else before
            place = builder.add(arguments[3], ir.Constant(arguments[3].type, b))
            column = _load_at(context, builder, columns, arguments[2], vector, place)
            row.append(_add_cost(builder, before, column, arguments[1]))
        return context.make_tuple(builder, above, row)

    return above(above, value, columns, types.int64), emit


@_vector_operation
def _band_end(_: Any, row: types.UniTuple) -> Any:
    """The band's middle cell, which in the last row is the table's last."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return builder.extract_value(arguments[0], row.count // 2)

    return row.dtype(row), emit


def _literal_lanes(scalar: types.Float, count: Any) -> _Lanes | None:
    """The vector type; None lets numba come again with the count as a constant."""
    return _Lanes(scalar, count.literal_value) if isinstance(count, types.IntegerLiteral) else None


def _pointer(
    context: Any, builder: ir.IRBuilder, array: types.Array, value: ir.Value, vector: ir.VectorType, number: ir.Value
) -> ir.Value:
    data = context.make_array(array)(context, builder, value).data
    place = builder.mul(number, ir.Constant(number.type, vector.count))
    return builder.bitcast(builder.gep(data, [place]), vector.as_pointer())


def _load_at(
    context: Any, builder: ir.IRBuilder, array: types.Array, value: ir.Value, vector: ir.VectorType, number: ir.Value
) -> ir.Value:
    place = _pointer(context, builder, array, value, vector, number)
    return builder.load(place, align=array.dtype.bitwidth // 8)


def _broadcast(builder: ir.IRBuilder, vector: ir.VectorType, value: ir.Value) -> ir.Value:
    index = ir.IntType(32)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(index, 0))
    zeros = ir.Constant(ir.VectorType(index, vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), zeros)


def _lesser(builder: ir.IRBuilder, first: ir.Value, second: ir.Value) -> ir.Value:
    # There are no NaN (input is checked) and no negative zeros: one instruction will do.
    return builder.select(builder.fcmp_ordered("<", first, second, flags=("nnan", "nsz")), first, second)


def _add_cost(builder: ir.IRBuilder, before: ir.Value, column: ir.Value, value: ir.Value) -> ir.Value:
    difference = builder.fsub(column, value)
    squared = builder.fmul(difference, difference, flags=("contract",))
    return builder.fadd(squared, before, flags=("contract",))


@functools.cache
def narrow_kernel(radius: int, lanes: int) -> _Kernel:
    """`fill` for one radius, with the band's row in registers.

    Cells of the band before the first column and after the last are compared with infinity: radius *
    (radius + 1) of (2 radius + 1) * points.

    Args:
        radius: half-width of the band in steps.
        lanes: pairs side by side, a power of 2.
    """

    @compiled
    def narrow(
        queries: Floats,
        columns: Floats,
        first: int,
        last: int,
        starts: NDArray[np.int64],
        offsets: NDArray[np.int64],
        _radius: int,
        out: Floats,
    ) -> None:
        n_points = queries.shape[1]
        block = np.full((n_points + 2 * radius) * lanes, np.inf, columns.dtype)
        work = np.empty(lanes, out.dtype)
        for start in range(first, last, lanes):
            end = min(start + lanes, last)
            _interleave(columns, start, end, block, radius, n_points, lanes)
            for q in range(len(queries)):
                if starts[q] < end:
                    row = _band_start(columns, radius, lanes)
                    for i in range(n_points):
                        row = _band_row(row, _spread(queries[q, i], lanes), block, i)
                    _put(_root(_band_end(row)), start, starts[q], end, offsets[q], work, out)

    return narrow


@functools.cache
def wide_kernel(lanes: int) -> _Kernel:
    """`fill` for any radius, two rows of the table at a time.

    Args:
        lanes: pairs side by side, a power of 2.
    """

    @compiled
    def wide(
        queries: Floats,
        columns: Floats,
        first: int,
        last: int,
        starts: NDArray[np.int64],
        offsets: NDArray[np.int64],
        radius: int,
        out: Floats,
    ) -> None:
        n_points = queries.shape[1]
        block = np.empty(n_points * lanes, columns.dtype)
        above = np.empty((n_points + 1) * lanes, columns.dtype)
        work = np.empty(lanes, out.dtype)
        infinity = columns.dtype.type(np.inf)
        for start in range(first, last, lanes):
            end = min(start + lanes, last)
            _interleave(columns, start, end, block, 0, n_points, lanes)
            for q in range(len(queries)):
                if starts[q] < end:
                    _fill_table(queries[q], block, radius, _spread(infinity, lanes), above)
                    squared = _load(above, n_points, _spread(infinity, lanes))
                    _put(_root(squared), start, starts[q], end, offsets[q], work, out)

    return wide


@compiled
def _fill_table(series: Floats, block: Floats, radius: int, infinity: Any, above: Floats) -> None:
    """Vector j + 1 of `above` ends as the squared distance up to column j of the last row."""
    n_points = len(series)
    for j in range(n_points + 1):
        _store(above, j, infinity)
    # An odd row out is the first: there all but the left neighbour are outside the table.
    left = _like(0.0, infinity)
    if n_points % 2:
        value = _like(series[0], infinity)
        for j in range(min(n_points, radius + 1)):
            left = _cell(left, _load(block, j, infinity), value)
            _store(above, j + 1, left)
    else:
        _store(above, 0, left)
    for i in range(n_points % 2, n_points, 2):
        _fill_two_rows(series, i, block, radius, infinity, above)
        # The corner before the first cell is passed only once.
        _store(above, 0, infinity)


@compiled
def _fill_two_rows(series: Floats, i: int, block: Floats, radius: int, infinity: Any, above: Floats) -> None:
    """Rows i and i + 1: the upper one reads the row above, the lower one replaces it."""
    n_points = len(series)
    low, high = max(0, i - radius), min(n_points, i + radius + 1)
    upper_value, lower_value = _like(series[i], infinity), _like(series[i + 1], infinity)
    upper, lower = infinity, infinity
    above_left = _load(above, low, infinity)
    for j in range(low, high):
        upper_left = upper
        column = _load(block, j, infinity)
        above_here = _load(above, j + 1, infinity)
        upper = _cell(_minimum(_minimum(above_left, above_here), upper), column, upper_value)
        above_left = above_here
        # The lower row's band begins one column later.
        if j + radius > i:
            lower = _cell(_minimum(_minimum(upper_left, upper), lower), column, lower_value)
        _store(above, j + 1, lower)
    if high < n_points:
        lower = _cell(_minimum(upper, lower), _load(block, high, infinity), lower_value)
        _store(above, high + 1, lower)


@compiled
def _interleave(columns: Floats, first: int, last: int, block: Floats, before: int, n_points: int, lanes: int) -> None:
    """Lay the columns out by time: point t of all lanes is one vector, `before` vectors into the block."""
    for q in range(first, last):
        for t in range(n_points):
            block[(before + t) * lanes + q - first] = columns[q, t]
    for unused in range(last - first, lanes):
        for t in range(n_points):
            block[(before + t) * lanes + unused] = 0


@compiled
def _put(found: Any, start: int, first: int, last: int, offset: int, work: Floats, out: Floats) -> None:
    """Write the lanes of the columns from `first` up to `last`; the first lane is column `start`."""
    if first <= start and last - start == len(work):
        _store_at(out, offset + start, found)
    else:
        _store(work, 0, found)
        for q in range(max(first, start), last):
            out[offset + q] = work[q - start]
