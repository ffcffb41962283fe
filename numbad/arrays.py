"""What the functional and the in-place layer do with arrays before a derivative runs, as functions for compiled code.

The copies and zeros are *congruent* to an array of the layout that derivatives are made for: C stays C, F stays F, and
any other layout becomes C. They are plain fills and memory copies, which can be differentiated again.
"""

from __future__ import annotations

from types import FunctionType

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic, overload, register_jitable

from numbad.held import INSTANCES, LISTS, fields, holds_memory, is_memory, parts
from numbad.source import Body


def duplicate(array, like):
    """A copy in the memory order of `like`; any other order than F becomes C."""
    return array.copy(order="F" if like.flags.f_contiguous and not like.flags.c_contiguous else "C")


@overload(duplicate)
def _duplicate(array, like):
    if like.layout == "F":
        return lambda array, like: array.T.copy().T
    return lambda array, like: array.copy()


def zeros(array):
    """Zeros of the shape of an array; F order is kept, every other order becomes C."""
    return np.zeros_like(duplicate(array, array))


@overload(zeros)
def _zeros(array):
    return lambda array: np.zeros_like(array)


def overlap(a, b):
    """Whether two pieces of memory, or one and one that the other argument holds, may overlap: False is certain.

    Their bounds must meet, and the distance between their first elements must be compatible with the greatest common
    divisor of all strides; so two columns of one matrix do not overlap.
    """
    return np.may_share_memory(a, b)


@overload(overlap)
def _overlap(a, b):
    if holds_memory(a):
        return _any_overlap(a)
    if holds_memory(b):
        return lambda a, b: overlap(b, a)
    body = Body(geometry=_geometry, step=_common_step)
    dimensions = ("a", _ndim(a)), ("b", _ndim(b))
    for name, ndim in dimensions:
        body.line(f"g{name} = geometry({name})")
        body.line(f"low_{name} = g{name}[0]")
        body.line(f"high_{name} = g{name}[0] + g{name}[1]")
        body.line(f"empty_{name} = False")
        for k in range(2, 2 + 2 * ndim, 2):
            body.line(f"span = (g{name}[{k}] - 1) * g{name}[{k + 1}]")
            body.line(f"empty_{name} |= g{name}[{k}] == 0")
            body.line(f"low_{name} += min(span, 0)")
            body.line(f"high_{name} += max(span, 0)")
    body.line("if empty_a or empty_b or high_a <= low_b or high_b <= low_a:")
    body.line("return False", 1)
    body.line("common = 0")
    for name, ndim in dimensions:
        for k in range(2, 2 + 2 * ndim, 2):
            body.line(f"common = step(common, g{name}[{k}], g{name}[{k + 1}])")
    body.line("if common == 0:")
    body.line("return True", 1)
    body.line("offset = (gb[0] - ga[0]) % common")
    body.line("return offset < ga[1] or offset > common - gb[1]")
    return body.function("overlap", "a, b")


def _any_overlap(a: types.Type) -> FunctionType:
    body = Body(overlap=overlap, present=present)
    if isinstance(a, types.Optional):
        body.line("if a is not None and overlap(present(a), b):")
        body.line("return True", 1)
    elif isinstance(a, (types.BaseTuple, *INSTANCES)):
        names = [f".{name}" for name in fields(a)] if isinstance(a, INSTANCES) else \
            [f"[{index}]" for index in range(len(a.types))]
        for name, part in zip(names, parts(a), strict=True):
            if is_memory(part) or holds_memory(part):
                body.line(f"if overlap(a{name}, b):")
                body.line("return True", 1)
    else:
        body.line(f"for held in {'a' if isinstance(a, LISTS) else 'a.values()'}:")
        body.line("if overlap(held, b):", 1)
        body.line("return True", 2)
    body.line("return False")
    return body.function("any_overlap", "a, b")


def _ndim(ty: types.Type) -> int:
    return 0 if isinstance(ty, types.Record) else ty.ndim


@intrinsic
def present(typingctx, value):
    """What may be None, where it is not."""
    def codegen(context, builder, signature, arguments):
        held = context.cast(builder, arguments[0], value, value.type)
        return impl_ret_borrowed(context, builder, value.type, held)

    return value.type(value), codegen


@register_jitable
def _common_step(common, length, stride):
    """Greatest common divisor of `common` and the stride of a dimension, which counts if it has a second element."""
    rest = abs(stride) if length > 1 else 0
    while rest != 0:
        common, rest = rest, common % rest
    return common


@intrinsic
def _geometry(typingctx, memory):
    """`(address, itemsize, length 0, stride 0, length 1, stride 1, ...)`"""
    ndim = _ndim(memory)

    def codegen(context, builder, signature, arguments):
        if isinstance(memory, types.Record):
            numbers = [builder.ptrtoint(arguments[0], cgutils.intp_t), ir.Constant(cgutils.intp_t, memory.size)]
            return context.make_tuple(builder, signature.return_type, numbers)
        struct = cgutils.create_struct_proxy(memory)(context, builder, value=arguments[0])
        pairs = zip(cgutils.unpack_tuple(builder, struct.shape, ndim),
                    cgutils.unpack_tuple(builder, struct.strides, ndim), strict=True)
        numbers = [builder.ptrtoint(struct.data, cgutils.intp_t), struct.itemsize,
                   *(number for pair in pairs for number in pair)]
        return context.make_tuple(builder, signature.return_type, numbers)

    return types.UniTuple(types.intp, 2 + 2 * ndim)(memory), codegen


@intrinsic
def congruent(typingctx, array, shadow, strided):
    """Whether two arrays have equal shapes, and equal strides too if `strided` is True."""
    def codegen(context, builder, signature, arguments):
        structs = [context.make_array(ty)(context, builder, value=value)
                   for ty, value in zip(signature.args[:2], arguments[:2], strict=True)]
        same = {}
        for field in ("shape", "strides"):
            same[field] = ir.Constant(ir.IntType(1), 1)
            for mine, other in zip(*(cgutils.unpack_tuple(builder, getattr(struct, field), array.ndim)
                                     for struct in structs), strict=True):
                same[field] = builder.and_(same[field], builder.icmp_signed("==", mine, other))
        indifferent = builder.not_(arguments[2])
        return builder.and_(same["shape"], builder.or_(same["strides"], indifferent))

    return types.boolean(array, shadow, strided), codegen


@intrinsic
def absent(typingctx, array):
    """Whether a tangent has no memory: forward mode leaves it so if the result does not depend on what is perturbed."""
    def codegen(context, builder, signature, arguments):
        struct = context.make_array(array)(context, builder, value=arguments[0])
        return cgutils.is_null(builder, struct.data)

    return types.boolean(array), codegen
