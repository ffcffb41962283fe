"""`numbad.shfl.*`: exchanges within a warp (see `rules.threads`), and their adjoints.

Which lane reads which follows from the mode (PTX, `shfl.sync`). Where all lanes look up, down or across by the same
distance, one other lane at most reads a number: the adjoint comes back the other way. In general the lanes that read
the same number are *peers*; each lane finds its own peers and those that read itself from five ballots, one for each
bit of the lane that is read. Peers add up their adjoints in pairs (log2 rounds, the same order in every run), and the
lane that was read fetches the sum from the first of them. Lanes that have returned count as not there: a ballot leaves
them out, while a shuffle from one gives anything.
"""

from __future__ import annotations

_DECLARED = """
declare { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32, i32, i32, i32, i32) CONVERGENT
declare { i32, i1 } @llvm.nvvm.vote.sync(i32, i32, i1) CONVERGENT
declare i32 @llvm.nvvm.read.ptx.sreg.laneid()
declare i32 @llvm.ctpop.i32(i32)
declare i32 @llvm.cttz.i32(i32, i1)
"""

_SHUFFLES = """
define linkonce_odr { float, i1 } @numbad.shfl.f32(i32 %mask, i32 %mode, float %x, i32 %lane, i32 %clamp) DEFINED {
  %bits = bitcast float %x to i32
  %pair = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 %bits, i32 %lane, i32 %clamp)
  %other = extractvalue { i32, i1 } %pair, 0
  %there = extractvalue { i32, i1 } %pair, 1
  %y = bitcast i32 %other to float
  %first = insertvalue { float, i1 } poison, float %y, 0
  %both = insertvalue { float, i1 } %first, i1 %there, 1
  ret { float, i1 } %both
}

define linkonce_odr { double, i1 } @numbad.shfl.f64(i32 %mask, i32 %mode, double %x, i32 %lane, i32 %clamp) DEFINED {
  %bits = bitcast double %x to i64
  %low = trunc i64 %bits to i32
  %shifted = lshr i64 %bits, 32
  %high = trunc i64 %shifted to i32
  %a = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 %low, i32 %lane, i32 %clamp)
  %b = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 %high, i32 %lane, i32 %clamp)
  %low.there = extractvalue { i32, i1 } %a, 0
  %high.there = extractvalue { i32, i1 } %b, 0
  %there = extractvalue { i32, i1 } %a, 1
  %low.64 = zext i32 %low.there to i64
  %high.64 = zext i32 %high.there to i64
  %left = shl i64 %high.64, 32
  %together = or i64 %left, %low.64
  %y = bitcast i64 %together to double
  %first = insertvalue { double, i1 } poison, double %y, 0
  %both = insertvalue { double, i1 } %first, i1 %there, 1
  ret { double, i1 } %both
}
"""

_BALLOT = """
define linkonce_odr i32 @numbad.shfl.ballot(i32 %mask, i1 %yes) DEFINED {
  %vote = call { i32, i1 } @llvm.nvvm.vote.sync(i32 %mask, i32 3, i1 %yes)
  %lanes = extractvalue { i32, i1 } %vote, 0
  ret i32 %lanes
}
"""

_SOURCE = """
define linkonce_odr i32 @numbad.shfl.source(i32 %mode, i32 %lane, i32 %clamp) DEFINED {
  %self = call i32 @llvm.nvvm.read.ptx.sreg.laneid()
  %b = and i32 %lane, 31
  %shifted = lshr i32 %clamp, 8
  %segment = and i32 %shifted, 31
  %within = xor i32 %segment, 31
  %lowest = and i32 %self, %segment
  %limit = and i32 %clamp, %within
  %highest = or i32 %lowest, %limit
  %offset = and i32 %b, %within
  %index = or i32 %lowest, %offset
  %up = sub i32 %self, %b
  %down = add i32 %self, %b
  %across = xor i32 %self, %b
  %is.index = icmp eq i32 %mode, 0
  %is.up = icmp eq i32 %mode, 1
  %is.down = icmp eq i32 %mode, 2
  %down.across = select i1 %is.down, i32 %down, i32 %across
  %not.index = select i1 %is.up, i32 %up, i32 %down.across
  %wanted = select i1 %is.index, i32 %index, i32 %not.index
  %not.below = icmp sge i32 %wanted, %highest
  %not.above = icmp sle i32 %wanted, %highest
  %is.there = select i1 %is.up, i1 %not.below, i1 %not.above
  %source = select i1 %is.there, i32 %wanted, i32 %self
  ret i32 %source
}
"""

_PEERS_ADJOINT = """
define linkonce_odr TYPE @numbad.shfl.adjoint.peers.CODE(i32 %mask, i32 %source, TYPE %y) DEFINED {
  %self = call i32 @llvm.nvvm.read.ptx.sreg.laneid()
  %present = call i32 @numbad.shfl.ballot(i32 %mask, i1 true)
READ
  %own = shl i32 1, %self
  %below = sub i32 %own, 1
  %peers.below = and i32 %peers, %below
  %rank.0 = call i32 @llvm.ctpop.i32(i32 %peers.below)
  %above = shl i32 -2, %self
  %peers.above = and i32 %peers, %above
  br label %round
round:
  %sum = phi TYPE [ %y, %0 ], [ %sum.next, %add ]
  %left = phi i32 [ %peers.above, %0 ], [ %left.next, %add ]
  %rank = phi i32 [ %rank.0, %0 ], [ %rank.next, %add ]
  %has.left = icmp ne i32 %left, 0
  %anyone = call { i32, i1 } @llvm.nvvm.vote.sync(i32 %mask, i32 1, i1 %has.left)
  %go.on = extractvalue { i32, i1 } %anyone, 1
  br i1 %go.on, label %add, label %fetch
add:
  %next = call i32 @llvm.cttz.i32(i32 %left, i1 false)
  %from = select i1 %has.left, i32 %next, i32 %self
  %pair = call { TYPE, i1 } @numbad.shfl.CODE(i32 %mask, i32 0, TYPE %sum, i32 %from, i32 31)
  %its = extractvalue { TYPE, i1 } %pair, 0
  %term = select i1 %has.left, TYPE %its, TYPE 0.0
  %sum.next = fadd TYPE %sum, %term
  %is.odd = trunc i32 %rank to i1
  %added = call i32 @numbad.shfl.ballot(i32 %mask, i1 %is.odd)
  %others = xor i32 %added, -1
  %left.next = and i32 %left, %others
  %rank.next = lshr i32 %rank, 1
  br label %round
fetch:
  %is.read = icmp ne i32 %readers, 0
  %first = call i32 @llvm.cttz.i32(i32 %readers, i1 false)
  %holder = select i1 %is.read, i32 %first, i32 %self
  %held = call { TYPE, i1 } @numbad.shfl.CODE(i32 %mask, i32 0, TYPE %sum, i32 %holder, i32 31)
  %total = extractvalue { TYPE, i1 } %held, 0
  %x = select i1 %is.read, TYPE %total, TYPE 0.0
  ret TYPE %x
}
"""

_SHUFFLE_ADJOINT = """
define linkonce_odr TYPE @numbad.shfl.adjoint.CODE(i32 %mask, i32 %mode, TYPE %y, i32 %lane, i32 %clamp,
                                                   i1 %is.constant) DEFINED {
  %self = call i32 @llvm.nvvm.read.ptx.sreg.laneid()
  %source = call i32 @numbad.shfl.source(i32 %mode, i32 %lane, i32 %clamp)
  %distance = and i32 %lane, 31
  %is.index = icmp eq i32 %mode, 0
  %is.up = icmp eq i32 %mode, 1
  %is.down = icmp eq i32 %mode, 2
  %whole = select i1 %is.up, i32 0, i32 31
  %in.segments = icmp ne i32 %clamp, %whole
  %general = or i1 %is.index, %in.segments
  br i1 %general, label %by.peers, label %moved
moved:
  br i1 %is.constant, label %one.reader, label %try
try:
  %named = call i32 @numbad.shfl.ballot(i32 %mask, i1 true)
  %lowest = call i32 @llvm.cttz.i32(i32 %named, i1 false)
  %first = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 0, i32 %distance, i32 %lowest, i32 31)
  %first.distance = extractvalue { i32, i1 } %first, 0
  %like.first = icmp eq i32 %distance, %first.distance
  %all = call { i32, i1 } @llvm.nvvm.vote.sync(i32 %mask, i32 0, i1 %like.first)
  %alike = extractvalue { i32, i1 } %all, 1
  br i1 %alike, label %one.reader, label %by.peers
by.peers:
  %gathered = call TYPE @numbad.shfl.adjoint.peers.CODE(i32 %mask, i32 %source, TYPE %y)
  br label %done
one.reader:
  %present = call i32 @numbad.shfl.ballot(i32 %mask, i1 true)
  %was.there = icmp ne i32 %source, %self
  %sent = select i1 %was.there, TYPE %y, TYPE 0.0
  %kept = select i1 %was.there, TYPE 0.0, TYPE %y
  %up.from = add i32 %self, %distance
  %down.from = sub i32 %self, %distance
  %across.from = xor i32 %self, %distance
  %not.up.from = select i1 %is.down, i32 %down.from, i32 %across.from
  %from = select i1 %is.up, i32 %up.from, i32 %not.up.from
  %pair = call { TYPE, i1 } @numbad.shfl.CODE(i32 %mask, i32 0, TYPE %sent, i32 %from, i32 31)
  %bit = and i32 %from, 31
  %shifted = lshr i32 %present, %bit
  %takes.part = trunc i32 %shifted to i1
  %is.lane = icmp ult i32 %from, 32
  %is.read = and i1 %is.lane, %takes.part
  %other = extractvalue { TYPE, i1 } %pair, 0
  %received = select i1 %is.read, TYPE %other, TYPE 0.0
  %both = fadd TYPE %received, %kept
  br label %done
done:
  %x = phi TYPE [ %gathered, %by.peers ], [ %both, %one.reader ]
  ret TYPE %x
}
"""


def _read() -> str:
    """The lanes that read the same as this one, `%peers`, and those that read this one, `%readers`."""
    lines = []
    for k in range(5):
        lines += [f"%bits.{k} = lshr i32 %source, {k}", f"%bit.{k} = trunc i32 %bits.{k} to i1",
                  f"%with.{k} = call i32 @numbad.shfl.ballot(i32 %mask, i1 %bit.{k})"]
    for found, lane in (("peers", "source"), ("readers", "self")):
        known = "%present"
        for k in range(5):
            name = f"%{found}.{k}"
            lines += [f"{name}.lane = lshr i32 %{lane}, {k}", f"{name}.bit = trunc i32 {name}.lane to i1",
                      f"{name}.all = sext i1 {name}.bit to i32", f"{name}.differ = xor i32 %with.{k}, {name}.all",
                      f"{name}.same = xor i32 {name}.differ, -1",
                      f"{f'%{found}' if k == 4 else name} = and i32 {known}, {name}.same"]
            known = name
    return "\n".join(f"  {line}" for line in lines)


CONVERGENT = "convergent nocallback nounwind memory(inaccessiblemem: readwrite)"
"""What LLVM may assume of what the lanes of a warp do together."""
_DEFINED = {"DEFINED": "alwaysinline convergent nounwind", "CONVERGENT": CONVERGENT}


def text(declared: list[str]) -> str:
    found = _DECLARED + _SHUFFLES + _BALLOT + _SOURCE
    for code, type in (("f32", "float"), ("f64", "double")):
        if f"numbad.shfl.adjoint.{code}" in declared:
            adjoint = _PEERS_ADJOINT.replace("READ", _read()) + _SHUFFLE_ADJOINT
            found += adjoint.replace("TYPE", type).replace("CODE", code)
    for word, attributes in _DEFINED.items():
        found = found.replace(word, attributes)
    return found
