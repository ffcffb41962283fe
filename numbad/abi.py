"""What Numba values and their shadows look like to LLVM, and which of their leaves carry derivatives.

A Numba value is a tree: tuples are its inner nodes, everything else is a leaf. A leaf that is a float or an array of
floats carries derivatives, any other is a constant. Shadows, tangents, cotangents and gradients mirror the tree, with
None in the place of constants and of what is not perturbed.

Unsure  means None here; whoever asks for the derivative of something that has none must refuse it (`leaf_of`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel.packer import ArgPacker
from numba.core.registry import cpu_target

from numbad.errors import EngineError
from numbad.passes.llvm import canonical

Path = tuple[int, ...]
SEED = "numbad.seed"

_FLOATS = (types.float32, types.float64)
_INACTIVE = (types.Integer, types.Boolean, types.NoneType, types.UnicodeType, types.Literal, types.EnumMember,
             types.NPDatetime, types.NPTimedelta, types.Dispatcher)


def is_float(ty: types.Type) -> bool:
    return ty in _FLOATS


def is_float_array(ty: types.Type) -> bool:
    return isinstance(ty, types.Array) and is_float(ty.dtype)


def is_complex(ty: types.Type) -> bool:
    return isinstance(ty.dtype if isinstance(ty, types.Array) else ty, types.Complex)


def is_inactive(ty: types.Type) -> bool:
    """Whether a leaf certainly carries no derivative."""
    return isinstance(ty.dtype if isinstance(ty, types.Array) else ty, _INACTIVE)


def leaves(ty: types.Type, path: Path = ()) -> Iterator[tuple[Path, types.Type]]:
    """The leaves of a value, each with the indices that lead to it."""
    if isinstance(ty, types.BaseTuple):
        for index, element in enumerate(ty.types):
            yield from leaves(element, (*path, index))
    else:
        yield path, ty


def has_floats(ty: types.Type) -> bool:
    return any(is_float(leaf) or is_float_array(leaf) for _, leaf in leaves(ty))


def mirrored(ty: types.Type, leaf_type: Callable[[types.Type], types.Type]) -> types.Type:
    """The type of the same tree with every leaf replaced."""
    if isinstance(ty, types.BaseTuple):
        elements = tuple(mirrored(element, leaf_type) for element in ty.types)
        return types.BaseTuple.from_types(elements, getattr(ty, "instance_class", None))
    return leaf_type(ty)


def tangent_type(ty: types.Type) -> types.Type:
    """The type of the tangent of a result."""
    def leaf(ty):
        if is_float_array(ty):
            return ty.copy(readonly=False)
        return ty if is_float(ty) else types.none
    return mirrored(ty, leaf)


def adjoint_type(ty: types.Type) -> types.Type:
    """The type of what reverse mode returns for an argument: arrays get theirs through shadows."""
    return mirrored(ty, lambda leaf: leaf if is_float(leaf) else types.none)


def parameter_count(context, ty: types.Type) -> int:
    """How many LLVM parameters an argument takes."""
    return len(ArgPacker(context.data_model_manager, [ty]).argument_types)


def check_primal(ty: types.Type, given: types.Type) -> None:
    """Raise unless the arrays that are given have the layout of those that the derivative was made for."""
    for (_, leaf), (_, other) in zip(leaves(ty), leaves(given), strict=True):
        if isinstance(leaf, types.Array) and ((leaf.dtype, leaf.ndim) != (other.dtype, other.ndim)
                                              or leaf.layout not in ("A", other.layout)):
            raise EngineError(f"the argument {other} is given to a derivative that was made for {leaf}")


def shadow_arguments(context, builder, ty, shadow_type, shadow) -> list[ir.Value | None]:
    """The shadow of an argument, one entry for each LLVM parameter of the argument; None where it has no shadow."""
    if isinstance(shadow_type, types.NoneType):
        return [None] * parameter_count(context, ty)
    if isinstance(ty, types.BaseTuple):
        return [argument for index, element in enumerate(ty.types)
                for argument in shadow_arguments(context, builder, element, shadow_type.types[index],
                                                 builder.extract_value(shadow, index))]
    if is_float_array(ty):
        if (shadow_type.dtype, shadow_type.ndim, shadow_type.layout) != (ty.dtype, ty.ndim, ty.layout):
            raise EngineError(f"the shadow {shadow_type} is not congruent to the argument {ty}")
        array = context.make_array(shadow_type)(context, builder, value=shadow)
        array.parent = cgutils.get_null_value(array.parent.type)
        packer = ArgPacker(context.data_model_manager, [shadow_type])
        return list(packer.as_arguments(builder, [array._getvalue()]))
    if is_float(ty):
        return [context.cast(builder, shadow, shadow_type, ty)]
    raise EngineError(f"a shadow of type {shadow_type} was given for an argument of type {ty}")


def seed_value(context, builder, ty, seed_type, seed) -> ir.Value:
    """The shadow of a result before the reverse sweep: seeds in the places of its floats, zero elsewhere."""
    if isinstance(seed_type, types.NoneType):
        return context.get_constant_null(ty)
    if isinstance(ty, types.BaseTuple):
        elements = [seed_value(context, builder, element, seed_type.types[index], builder.extract_value(seed, index))
                    for index, element in enumerate(ty.types)]
        return context.make_tuple(builder, ty, elements)
    if is_float(ty):
        return context.cast(builder, seed, seed_type, ty)
    return context.get_constant_null(ty)


def tangent_value(context, builder, ty, primal, shadow) -> ir.Value:
    """The tangent of a result, of type `tangent_type(ty)`, from the result and what forward mode wrote beside it.

    Forward mode writes floats and the pointers of shadow arrays, which stay null where the tangent is zero; the shapes
    and strides are the primal's.
    """
    if isinstance(ty, types.BaseTuple):
        elements = [tangent_value(context, builder, element, builder.extract_value(primal, index),
                                  builder.extract_value(shadow, index)) for index, element in enumerate(ty.types)]
        return context.make_tuple(builder, tangent_type(ty), elements)
    if is_float_array(ty):
        array = context.make_array(ty)(context, builder, value=primal)
        pointers = context.make_array(ty)(context, builder, value=shadow)
        array.meminfo, array.data = pointers.meminfo, pointers.data
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()
    return shadow if is_float(ty) else context.get_dummy_value()


def seeds_type(context, seed_type: types.Type) -> ir.Type:
    """What `@numbad.seed` gets a pointer to: which array had the wrong shape (0: none), and the seeds."""
    return ir.LiteralStructType([ir.IntType(64), context.get_value_type(seed_type)])


def seed_text(ty: types.Type, seed_type: types.Type) -> str | None:
    """LLVM text that adds seeds to the shadow arrays of a result of type `ty`, by logical index; None if it has none.

    A seed of another shape than the result is not added; its number, counted from 1 over the arrays of the result in
    order, is stored in front of the seeds.
    """
    if not any(is_float_array(leaf) for _, leaf in leaves(ty)):
        return None
    context = cpu_target.target_context
    result_type = context.call_conv.get_return_type(ty)
    signature = ir.FunctionType(ir.VoidType(), [result_type, result_type, seeds_type(context, seed_type).as_pointer()])
    function = ir.Function(ir.Module(), signature, SEED)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    result, shadow, seeds = function.args
    _add_seeds(context, builder, ty, context.get_returned_value(builder, ty, builder.load(result)),
               context.get_returned_value(builder, ty, builder.load(shadow)), seed_type,
               builder.load(cgutils.gep_inbounds(builder, seeds, 0, 1)),
               cgutils.gep_inbounds(builder, seeds, 0, 0), iter(range(1, 1 + sum(1 for _ in leaves(ty)))))
    builder.ret_void()
    # Numba's helpers attach ranges to loads; the text refers to no metadata, since it is joined with other text.
    text = canonical(re.sub(r", *![a-z.]+ ![0-9]+", "", str(function)))
    return text[text.index("define "):]


def _add_seeds(context, builder, ty, result, shadow, seed_type, seed, mismatch, numbers) -> None:
    if isinstance(ty, types.BaseTuple):
        for index, element in enumerate(ty.types):
            given = not isinstance(seed_type, types.NoneType)
            _add_seeds(context, builder, element, builder.extract_value(result, index),
                       builder.extract_value(shadow, index), seed_type.types[index] if given else types.none,
                       builder.extract_value(seed, index) if given else None, mismatch, numbers)
    elif is_float_array(ty):
        number = next(numbers)
        if not isinstance(seed_type, types.NoneType):
            _add_array(context, builder, ty, result, shadow, seed_type, seed, mismatch, number)


def _add_array(context, builder, ty, result, shadow, seed_type, seed, mismatch, number) -> None:
    primal = context.make_array(ty)(context, builder, value=result)
    target = context.make_array(ty)(context, builder, value=shadow)
    source = context.make_array(seed_type)(context, builder, value=seed)
    shape = cgutils.unpack_tuple(builder, primal.shape, ty.ndim)
    strides = cgutils.unpack_tuple(builder, primal.strides, ty.ndim)
    same = cgutils.true_bit
    for length, given in zip(shape, cgutils.unpack_tuple(builder, source.shape, ty.ndim), strict=True):
        same = builder.and_(same, builder.icmp_signed("==", length, given))
    with builder.if_else(same) as (congruent, different):
        # A result that does not depend on what is differentiated has no shadow.
        with congruent, builder.if_then(cgutils.is_not_null(builder, target.data)), \
                cgutils.loop_nest(builder, shape, cgutils.intp_t) as indices:
            where = cgutils.get_item_pointer2(context, builder, target.data, shape, strides, ty.layout, indices)
            what = cgutils.get_item_pointer(context, builder, seed_type, source, indices)
            builder.store(builder.fadd(builder.load(where), builder.load(what)), where)
        with different:
            builder.store(ir.Constant(ir.IntType(64), number), mismatch)
