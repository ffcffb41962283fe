"""The products that Numba hands to BLAS: `np.dot` and `@` of vectors and matrices.

    numba_xxdot (kind, conjugate, n, x, y, r)                              r = x . y
    numba_xxnrm2(kind, n, x, increment, r)                                 r = |x|
    numba_xxgemv(kind, t, m, n, alpha, A, lda, x, beta, y)                 y = op(A) x
    numba_xxgemm(kind, ta, tb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc)   C = op(A) op(B)

Matrices are stored by columns; Numba passes alpha = 1 and beta = 0, and derivatives beta = 1 where they add to what the
result holds. Products are bilinear:

    tangent     r' = x'.y + x.y'         y' = op(A') x + op(A) x'          C' = op(A') op(B) + op(A) op(B')
    adjoint     x_ += r_ y               op(A)_ += y_ x^T                      op(A)_ += C_ op(B)^T
                y_ += r_ x               x_ += op(A)^T y_                      op(B)_ += op(A)^T C_

and the adjoint of the result is cleared if the product overwrites it (beta = 0). The norm is the root of a product:
r' = x.x' / r and x_ += (r_ / r) x, 0 at the origin. Derivatives call the same shims.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numbad.passes.ir.builder import Builder, i64
from numbad.passes.ir.function import Global
from numbad.passes.ir.instructions import Alloca, Call, Instruction, Store
from numbad.passes.ir.types import DOUBLE, FLOAT, I1, I8, I32, I64, VOID, FloatType, size_of
from numbad.passes.ir.values import ConstantFloat, ConstantInt, Value, floating, integer

N, T = ord("n"), ord("t")


@dataclass(frozen=True)
class Product:
    """Positions of the arguments: the factors, the result, and the places of alpha and beta."""

    factors: tuple[int, ...]
    result: int
    alpha: int | None = None
    beta: int | None = None


PRODUCTS = {
    "numba_xxdot": Product((3, 4), 5),
    "numba_xxnrm2": Product((2,), 4),
    "numba_xxgemv": Product((5, 7), 9, 4, 8),
    "numba_xxgemm": Product((7, 9), 12, 6, 11),
}


def product_of(call: Call) -> Product | None:
    """The product that a call computes, None if it is none of these."""
    return PRODUCTS.get(call.callee_name or "")


def element_type(call: Call) -> FloatType | None:
    """float or double; None for complex numbers and kinds known only at run time."""
    kind = call.arguments[0]
    return {ord("d"): DOUBLE, ord("s"): FLOAT}.get(kind.value) if isinstance(kind, ConstantInt) else None


def obstacle(call: Call) -> str | None:
    """Why the product has no derivative here; None if it has one."""
    product = product_of(call)
    assert product is not None
    if element_type(call) is None:
        return "a matrix product of complex numbers"
    flags = {"numba_xxgemv": (1,), "numba_xxgemm": (1, 2)}.get(call.callee_name or "", ())
    if any(not isinstance(call.arguments[k], ConstantInt) for k in flags):
        return "a matrix product whose layout is known only at run time"
    if product.alpha is not None and not _holds(call, call.arguments[product.alpha], 1.0):
        return "a matrix product that is scaled"
    if product.beta is not None and not (_holds(call, call.arguments[product.beta], 0.0) or accumulates(call)):
        return "a matrix product that is added to a multiple of its result"
    return None


def accumulates(call: Call) -> bool:
    """The product is added to what the result holds."""
    product = product_of(call)
    assert product is not None
    return product.beta is not None and _holds(call, call.arguments[product.beta], 1.0)


def _holds(call: Call, pointer: Value, wanted: float) -> bool:
    """The pointer leads to this number at the call: a place on the stack that only stores of constants write."""
    if isinstance(pointer, Global):
        return pointer.is_constant and isinstance(pointer.initializer, ConstantFloat) \
            and pointer.initializer.value == wanted
    if not isinstance(pointer, Alloca):
        return False
    if not all(map(_is_harmless, pointer.users)) or any(u.operands[0] is pointer for u in pointer.users
                                                        if isinstance(u, Store)):
        return False
    assert call.block is not None
    before = call.block.instructions[:call.block.instructions.index(call)]
    near = [i for i in before if isinstance(i, Store) and i.pointer is pointer]
    stores = near[-1:] or [u for u in pointer.users if isinstance(u, Store)]
    return bool(stores) and all(s.value.value == wanted for s in stores)  # type: ignore[attr-defined]


def _is_harmless(user: Instruction) -> bool:
    """A store of a constant, or a call that only reads."""
    if isinstance(user, Store):
        return isinstance(user.value, ConstantFloat)
    return isinstance(user, Call) and (
        product_of(user) is not None or (user.callee_name or "").startswith("llvm.lifetime"))


def bytes_of(builder: Builder, call: Call, position: int, value: Callable[[Value], Value]) -> Value:
    """The bytes of a factor; `value` gives the numbers of the call."""
    a = call.arguments
    type = element_type(call)
    assert type is not None
    if call.callee_name == "numba_xxdot":
        count = value(a[2])
    elif call.callee_name == "numba_xxnrm2":
        count = builder.binary("mul", value(a[1]), value(a[3]))
    elif call.callee_name == "numba_xxgemv":
        count = builder.binary("mul", value(a[6]), value(a[3])) if position == 5 else \
            value(a[3] if _flag(a[1]) == N else a[2])
    elif position == 7:
        count = builder.binary("mul", value(a[8]), value(a[5] if _flag(a[1]) == N else a[3]))
    else:
        count = builder.binary("mul", value(a[10]), value(a[4] if _flag(a[2]) == N else a[5]))
    return builder.binary("mul", count, i64(size_of(type)))


def forward(builder: Builder, call: Call, value: Callable[[Value], Value], result: Value,
            tangent: Callable[[int], Value | None]) -> None:
    """Write the tangent of the product to `result`. `tangent(position)` is a factor's, None if it has none."""
    writer = _Shims(builder, call, value)
    if call.callee_name == "numba_xxnrm2":
        writer.norm_tangent(tangent(2), result)
        return
    terms = []
    for position in PRODUCTS[call.callee_name or ""].factors:
        dot = tangent(position)
        if dot is not None:
            terms.append({position: dot})
    writer.repeat(terms, result)


def reverse(builder: Builder, call: Call, value: Callable[[Value], Value], result: Value,
            content: Callable[[int], Value], adjoint: Callable[[int], Value | None]) -> None:
    """Add to the adjoints of the factors and clear that of the result.

    `content(position)` is a factor as it was at the call, `adjoint(position)` its shadow, None if it has none.
    """
    writer = _Shims(builder, call, value)
    {"numba_xxdot": writer.dot_adjoint, "numba_xxnrm2": writer.norm_adjoint, "numba_xxgemv": writer.gemv_adjoint,
     "numba_xxgemm": writer.gemm_adjoint}[call.callee_name or ""](result, content, adjoint)


def _flag(value: Value) -> int:
    assert isinstance(value, ConstantInt)
    return N if chr(value.value).lower() == "n" else T


class _Shims:
    """Writes calls of the shims with the numbers of one call of the primal."""

    def __init__(self, builder: Builder, call: Call, value: Callable[[Value], Value]):
        self.builder, self.call, self.value = builder, call, value
        type = element_type(call)
        assert type is not None
        self.type = type
        self.kind = call.arguments[0]

    def number(self, position: int) -> Value:
        return self.value(self.call.arguments[position])

    def constant(self, value: float) -> Value:
        """The address of a constant number."""
        name = f"numbad.{'one' if value else 'zero'}.{self.type}"
        module = self.builder.module
        if name not in module.globals:
            module.add(Global(name, self.type, floating(self.type, value), "internal constant", ", align 8"))
        return module.globals[name]

    def at_least_one(self, value: Value) -> Value:
        return self.builder.call_symbol("llvm.smax.i64", I64, [value, i64(1)])

    # --- forward ---

    def repeat(self, terms: list[dict[int, Value]], result: Value) -> None:
        """The sum of the call's product with some arguments replaced, one product for each term."""
        arguments = [self.value(a) for a in self.call.arguments]
        product = PRODUCTS[self.call.callee_name or ""]
        if product.beta is None:
            self.add_dots(arguments, terms, product, result)
            return
        if not terms and not accumulates(self.call):
            self.clear(result, self.result_size())
        for number, replaced in enumerate(terms):
            these = list(arguments)
            for position, new in replaced.items():
                these[position] = new
            these[product.alpha] = self.constant(1.0)  # type: ignore[index]
            these[product.beta] = self.constant(float(number > 0 or accumulates(self.call)))
            these[product.result] = result
            self.builder.call_symbol(self.call.callee_name or "", I32, these)

    def add_dots(self, arguments: list[Value], terms: list[dict[int, Value]], product: Product, result: Value) -> None:
        total: Value | None = None
        for replaced in terms:
            these = list(arguments)
            for position, new in replaced.items():
                these[position] = new
            these[product.result] = result
            self.builder.call_symbol("numba_xxdot", I32, these)
            part = self.builder.load(self.type, result)
            total = part if total is None else self.builder.binary("fadd", total, part)
        self.builder.store(total if total is not None else floating(self.type, 0.0), result)

    def norm_tangent(self, tangent: Value | None, result: Value) -> None:
        if tangent is None:
            self.builder.store(floating(self.type, 0.0), result)
            return
        arguments = [self.number(1), self.number(2), tangent, self.number(3)]
        seed = self.builder.call_symbol(f"numbad.adjoint.dot.{self.type}", self.type, arguments)
        norm = self.builder.load(self.type, self.number(4))
        self.builder.store(self._quotient(seed, norm), result)

    def _quotient(self, seed: Value, norm: Value) -> Value:
        """seed / norm, and 0 at the origin, as for hypot."""
        nothing = floating(self.type, 0.0)
        ratio = self.builder.binary("fdiv", seed, norm)
        return self.builder.select(self.builder.compare("fcmp", "oeq", norm, nothing), nothing, ratio)

    # --- reverse ---

    def norm_adjoint(self, result: Value, content: Callable[[int], Value],
                     adjoint: Callable[[int], Value | None]) -> None:
        seed, bar = self.builder.load(self.type, result), adjoint(2)
        if bar is not None:  # the norm is computed again, into the place of the seed
            arguments = [self.kind, self.number(1), content(2), self.number(3), result]
            self.builder.call_symbol("numba_xxnrm2", I32, arguments)
            factor = self._quotient(seed, self.builder.load(self.type, result))
            self.builder.call_symbol(f"numbad.adjoint.axpy.{self.type}", VOID,
                                     [self.number(1), factor, content(2), bar, self.number(3)])
        self.builder.store(floating(self.type, 0.0), result)

    def dot_adjoint(self, result: Value, content: Callable[[int], Value],
                    adjoint: Callable[[int], Value | None]) -> None:
        seed = self.builder.load(self.type, result)
        self.builder.store(floating(self.type, 0.0), result)
        for position, other in ((3, 4), (4, 3)):
            bar = adjoint(position)
            if bar is not None:
                self.builder.call_symbol(f"numbad.adjoint.axpy.{self.type}", VOID,
                                         [self.number(2), seed, content(other), bar, i64(1)])

    def gemv_adjoint(self, y_bar: Value, content: Callable[[int], Value],
                     adjoint: Callable[[int], Value | None]) -> None:
        m, n, lda = self.number(2), self.number(3), self.number(6)
        plain = _flag(self.call.arguments[1]) == N
        a_bar, x_bar = adjoint(5), adjoint(7)
        if a_bar is not None:
            left, right = (y_bar, content(7)) if plain else (content(7), y_bar)
            self.gemm(N, T, m, n, i64(1), left, self.at_least_one(m), right, self.at_least_one(n), a_bar, lda)
        if x_bar is not None:
            arguments = [self.kind, integer(I8, T if plain else N), m, n, self.constant(1.0), content(5), lda, y_bar,
                         self.constant(1.0), x_bar]
            self.builder.call_symbol("numba_xxgemv", I32, arguments)
        if not accumulates(self.call):
            self.clear(y_bar, self.result_size())

    def gemm_adjoint(self, c_bar: Value, content: Callable[[int], Value],
                     adjoint: Callable[[int], Value | None]) -> None:
        m, n, k = self.number(3), self.number(4), self.number(5)
        lda, ldb, ldc = self.number(8), self.number(10), self.number(13)
        ta, tb = _flag(self.call.arguments[1]), _flag(self.call.arguments[2])
        a_bar, b_bar = adjoint(7), adjoint(9)
        if a_bar is not None and ta == N:
            self.gemm(N, T if tb == N else N, m, k, n, c_bar, ldc, content(9), ldb, a_bar, lda)
        elif a_bar is not None:
            self.gemm(tb, T, k, m, n, content(9), ldb, c_bar, ldc, a_bar, lda)
        if b_bar is not None and tb == N:
            self.gemm(T if ta == N else N, N, k, n, m, content(7), lda, c_bar, ldc, b_bar, ldb)
        elif b_bar is not None:
            self.gemm(T, ta, n, k, m, c_bar, ldc, content(7), lda, b_bar, ldb)
        if not accumulates(self.call):
            self.clear(c_bar, self.result_size())

    def gemm(self, ta: int, tb: int, m: Value, n: Value, k: Value, a: Value, lda: Value, b: Value, ldb: Value, c: Value,
             ldc: Value) -> None:
        """C += op(A) op(B)"""
        one = self.constant(1.0)
        arguments = [self.kind, integer(I8, ta), integer(I8, tb), m, n, k, one, a, lda, b, ldb, one, c, ldc]
        self.builder.call_symbol("numba_xxgemm", I32, arguments)

    def result_size(self) -> Value:
        """How many numbers there are from the first of the result to its last."""
        if self.call.callee_name == "numba_xxgemv":
            return self.number(2 if _flag(self.call.arguments[1]) == N else 3)
        return self.builder.binary("mul", self.number(13), self.number(4))

    def clear(self, pointer: Value, count: Value) -> None:
        bytes = self.builder.binary("mul", count, i64(size_of(self.type)))
        self.builder.call_symbol("llvm.memset.p0.i64", VOID, [pointer, integer(I8, 0), bytes, ConstantInt(I1, 0)])


