"""How the threads of a block meet: barriers, in loops and branches that are the same for a block, and what is done in
steps between them."""

from __future__ import annotations

from cuda.fuzz.places import ADD, OWN, READ, KernelScope, Place
from cuda.fuzz.warps import Warp

from fuzz.code import Statement

BARRIER = "cuda.syncthreads()"


class Block(Warp):
    """What all threads of a block come to."""

    def barrier(self) -> Statement:
        self.stretch.barrier()
        return Statement(BARRIER)

    def before(self, group: str, use: str) -> list[Statement]:
        """A barrier, if the use needs one."""
        found = [] if self.stretch.may(group, use) and self.rng.random() < 0.9 else [self.barrier()]
        self.stretch.take(group, use)
        return found

    def shared(self, scope: KernelScope) -> Place | None:
        found = [place for place in scope.places if place.name.startswith("s")]
        return self.rng.choice(found) if found else None

    # --- statements ---

    def together(self, scope: KernelScope, depth: int, size: int) -> list[Statement]:
        found: list[Statement] = []
        for _ in range(size):
            if self.budget <= 0:
                break
            self.budget -= 1
            kinds = ["alone", "alone", "alone", "barrier"]
            if any(place.name.startswith("s") for place in scope.places):
                kinds += ["exchange", "exchange", "tree", "scan", "stencil", "bins", "broadcast"]
                kinds += ["swap_shared"] * (sum(place.group == "s" for place in scope.places) > 1)
            if any(place.name == "b" for place in scope.places):
                kinds += ["exchange_in_global", "ping_pong", "swap_all"]
            kinds += ["shuffle", "shuffle", "butterfly", "warp_sum", "warp_scan", "vote", "block_vote"]
            if self.warp:
                kinds += ["half_warp"]
            if self.shape.size > 32:
                kinds += ["one_warp"]
            if depth:
                kinds += ["loop", "loop", "loop", "branch", "halving", "loop_while_any"]
            found += getattr(self, f"meet_{self.rng.choice(kinds)}")(scope, depth)
        return found

    def meet_alone(self, scope: KernelScope, depth: int) -> list[Statement]:
        return self.block(scope, 2, self.rng.randint(1, 3))

    def meet_barrier(self, scope: KernelScope, depth: int) -> list[Statement]:
        return [self.barrier()]

    def meet_loop(self, scope: KernelScope, depth: int) -> list[Statement]:
        counter = self.fresh("i")
        bounds = [str(self.rng.randint(1, 4)), "n", "n % 3 + 1", "1, n", "n, 0, -1", "0, 5, n % 2 + 1"]
        bounds += [f"{outer} % 4" for outer in scope.uniform if outer != "n"]
        return self.loop(scope, depth, f"for {counter} in range({self.rng.choice(bounds)}):", [counter])

    def loop(self, scope: KernelScope, depth: int, head: str, counters: list[str],
             last: list[Statement] | None = None) -> list[Statement]:
        before = [self.barrier()] if self.stretch.heads else []  # the loops around may meet here first
        inner = scope.inner()
        inner.ints += counters
        inner.uniform += counters
        self.stretch.begin_loop()
        body = self.together(inner, depth - 1, self.rng.randint(1, 4))
        if not self.stretch.fits():
            body.append(self.barrier())
        self.stretch.end_loop()
        return [*before, Statement(head, [*body, *(last or [])])]

    def meet_halving(self, scope: KernelScope, depth: int) -> list[Statement]:
        k = self.fresh("k")
        first, test, step = self.rng.choice([("8", "> 0", "//= 2"), ("1", "< 5", "*= 2"), ("n", "> 0", "-= 1")])
        loop = self.loop(scope, depth, f"while {k} {test}:", [k], [Statement(f"{k} {step}")])
        return [Statement(f"{k} = {first}"), *loop]

    def meet_loop_while_any(self, scope: KernelScope, depth: int) -> list[Statement]:
        """As long as the number of some thread says so; the vote is a barrier."""
        k, v = self.fresh("k"), self.rng.choice(scope.floats)
        before = [self.barrier()]
        inner = scope.inner()
        inner.ints.append(k)
        inner.uniform.append(k)
        vote = self.rng.choice(["cuda.syncthreads_or({})", "cuda.syncthreads_count({}) > 2"])
        self.stretch.begin_loop()
        body = self.together(inner, depth - 1, self.rng.randint(1, 3))
        body.append(Statement(f"{v} = 0.6 * {v} + 0.1 * math.sin({self.expression(inner)})"))
        self.barrier()
        self.stretch.end_loop()
        self.stretch.uses = {}
        test = vote.format(f"int32(abs({v}) > 0.1)")
        return [*before, Statement(f"{k} = 0"),
                Statement(f"while {test} and {k} < 4:" if "count" not in test else f"while {k} < 4 and {test}:",
                          [Statement(f"{k} += 1"), *body])]

    def meet_branch(self, scope: KernelScope, depth: int) -> list[Statement]:
        k = self.rng.choice(scope.uniform)
        test = self.rng.choice([f"{k} % 2 == 0", f"{k} > 2", "cuda.blockIdx.x == 0", "cuda.blockIdx.x % 2 == 1",
                                "x0 > 0.0", "cuda.gridDim.x > 1", f"{k} > cuda.blockIdx.x"])
        before = [self.barrier()] if self.stretch.heads else []
        start = self.stretch.uses.copy()
        branch = Statement(f"if {test}:", self.together(scope.inner(), depth - 1, self.rng.randint(1, 3)))
        end = self.stretch.uses
        self.stretch.uses = start.copy()
        if self.rng.random() < 0.5:
            branch.more.append(Statement("else:", self.together(scope.inner(), depth - 1, self.rng.randint(1, 2))))
            branch.more[-1].body = branch.more[-1].body or [Statement("pass")]
        self.stretch.either(end)
        return [*before, branch]

    def meet_block_vote(self, scope: KernelScope, depth: int) -> list[Statement]:
        """A branch that a vote decides: the same for all threads."""
        v = self.rng.choice(scope.floats)
        self.stretch.barrier()
        start = self.stretch.uses.copy()
        how = self.rng.choice(["cuda.syncthreads_or({})", "cuda.syncthreads_and({})", "cuda.syncthreads_count({}) > 3"])
        body = self.together(scope.inner(), max(depth - 1, 0), self.rng.randint(1, 3))
        self.stretch.either(start)
        return [Statement(f"if {how.format(f'int32({v} > 0.2)')}:", body)]

    # --- through shared memory ---

    def meet_exchange(self, scope: KernelScope, depth: int) -> list[Statement]:
        place = self.shared(scope)
        assert place is not None
        name, before = self.fresh("v"), self.before(place.group, OWN)
        found = [*before, Statement(f"{place.own[0]} = {self.expression(scope)}"), self.barrier()]
        self.stretch.take(place.group, READ)
        other, read = self.rng.choice(scope.floats), place.anywhere.format(self.index(scope))
        scope.floats.append(name)
        how = self.rng.choice(["{}", "0.5 * {} + " + other, "math.sin({}) * " + other])
        return [*found, Statement(f"{name} = {how.format(read)}")]

    def meet_stencil(self, scope: KernelScope, depth: int) -> list[Statement]:
        """In place: all read, then all write, a few times."""
        place, k, v = self.shared(scope), self.fresh("i"), self.fresh("v")
        assert place is not None
        element = place.own[0]
        left, right = (place.anywhere.format(f"t + {d}") for d in ("1", f"{self.size} - 1"))
        scope.floats.append(v)
        body = [Statement(f"{v} = 0.3 * {left} + 0.5 * math.sin({element} * {right})"), Statement(BARRIER),
                Statement(f"{element} = {v} + 0.1 * {self.rng.choice(scope.floats[:-1])}"), Statement(BARRIER)]
        before = [self.barrier(), Statement(f"{v} = 0.0")]
        count = self.rng.choice(["2", "3", "n"])
        return [*before, Statement(f"for {k} in range({count}):", body)]

    def meet_tree(self, scope: KernelScope, depth: int) -> list[Statement]:
        place, k, v = self.shared(scope), self.fresh("k"), self.fresh("v")
        assert place is not None
        before = self.before(place.group, OWN)
        before += [Statement(f"{place.own[0]} = {self.expression(scope)}"), self.barrier()]
        top = 1
        while 2 * top < self.shape.size:
            top *= 2
        one, other = place.anywhere.format("t"), place.anywhere.format(f"t + {k}")
        step = Statement(self.rng.choice(["{0} += {1}", "{0} = 0.5 * {0} + math.sin({1})", "{0} *= math.cos({1})",
                                          "{0} = max({0}, {1})", "{0} = {0} * {1}"]).format(one, other))
        up = self.rng.random() < 0.3
        test = f"t % (2 * {k}) == 0 and t + {k} < {self.size}" if up else f"t < {k} and t + {k} < {self.size}"
        loop = Statement(f"while {k} < {self.size}:" if up else f"while {k} > 0:", [
            Statement(f"if {test}:", [step]), Statement(BARRIER), Statement(f"{k} *= 2" if up else f"{k} //= 2")])
        self.stretch.take(place.group, READ)
        scope.floats.append(v)
        return [*before, Statement(f"{k} = {1 if up else top}"), loop,
                Statement(f"{v} = 0.2 * {place.anywhere.format('0')}")]

    def meet_scan(self, scope: KernelScope, depth: int) -> list[Statement]:
        place, k, v = self.shared(scope), self.fresh("k"), self.fresh("v")
        assert place is not None
        one, other = place.anywhere.format("t"), place.anywhere.format(f"t - {k}")
        before = self.before(place.group, OWN)
        before += [Statement(f"{one} = {self.expression(scope)}"), self.barrier()]
        how = self.rng.choice(["{} += 0.7 * {}", "{} *= math.cos({})", "{0} = math.sin({0} + {1})"])
        scope.floats.append(v)
        self.stretch.take(place.group, READ)
        return [*before, Statement(f"{k} = 1"), Statement(f"{v} = 0.0"), Statement(f"while {k} < {self.size}:", [
            Statement(f"{v} = {other} if t >= {k} else 0.0"), Statement(BARRIER),
            Statement(how.format(one, v)), Statement(BARRIER),
            Statement(f"{k} *= {self.rng.choice([2, 2, 3])}")])]

    def meet_bins(self, scope: KernelScope, depth: int) -> list[Statement]:
        """Sums that threads add to atomically."""
        place = self.shared(scope)
        assert place is not None
        found = self.before(place.group, OWN)
        found += [Statement(f"{place.own[0]} = {self.expression(scope)}"), self.barrier()]
        adds = []
        for _ in range(self.rng.randint(1, 2)):
            where, value = place.sum.format(self.index(scope)), self.sum_free(scope, place)
            adds.append(Statement(f"cuda.atomic.{self.rng.choice(['add', 'sub'])}({where}, 0.1 * {value})"))
        if self.rng.random() < 0.4:
            adds = [Statement(f"if {self.condition(scope)}:", adds)]
        self.stretch.take(place.group, ADD)
        return [*found, *adds, self.barrier()]

    def sum_free(self, scope: KernelScope, place: Place) -> str:
        """An expression that does not touch what is added to."""
        inner = scope.inner()
        inner.places = [p for p in scope.places if p.group != place.group]
        return f"({self.expression(inner)})"

    def meet_broadcast(self, scope: KernelScope, depth: int) -> list[Statement]:
        """One thread writes what all read."""
        place, v = self.shared(scope), self.fresh("v")
        assert place is not None
        k = self.rng.choice(["0", f"{self.size} - 1", "n"])
        found = [*self.before(place.group, OWN),
                 Statement(f"if t == {k}:", [Statement(f"{place.own[0]} = {self.expression(scope)}")]), self.barrier()]
        self.stretch.take(place.group, READ)
        scope.floats.append(v)
        return [*found, Statement(f"{v} = {place.anywhere.format(k)}")]

    def meet_swap_shared(self, scope: KernelScope, depth: int) -> list[Statement]:
        one, other = self.rng.sample([place.name for place in scope.places if place.group == "s"], 2)
        return [*self.before("s", OWN), Statement(f"{one}, {other} = {other}, {one}")]

    # --- through global memory ---

    def meet_exchange_in_global(self, scope: KernelScope, depth: int) -> list[Statement]:
        place = self.rng.choice([place for place in scope.places if place.group == "a"])
        name = self.fresh("v")
        found = [*self.before("a", OWN), Statement(f"{place.own[0]} = {self.expression(scope)}"), self.barrier()]
        self.stretch.take("a", READ)
        read = place.anywhere.format(self.index(scope))
        scope.floats.append(name)
        return [*found, Statement(f"{name} = {read}")]

    def meet_swap_all(self, scope: KernelScope, depth: int) -> list[Statement]:
        """Threads that have swapped differently read each other's only after a barrier, and each its own view."""
        return [*self.before("a", OWN), Statement("a, b = b, a")]

    def meet_ping_pong(self, scope: KernelScope, depth: int) -> list[Statement]:
        a, b = (next(p for p in scope.places if p.name == name) for name in ("a", "b"))
        left, right = (a.anywhere.format(f"t + {d}") for d in ("1", f"{self.size} - 1"))
        u = self.rng.choice(scope.floats)
        before = [Statement("a, b = aa, bb"), self.barrier()]
        return [*before, Statement(f"for {self.fresh('i')} in range({self.rng.choice(['2', '3', 'n'])}):", [
            Statement(f"{b.own[0]} = 0.4 * {left} + 0.3 * math.sin({a.own[0]} * {right}) + 0.1 * {u}"),
            Statement(BARRIER), Statement("a, b = b, a")])]
