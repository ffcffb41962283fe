; Syntax that LLVM knows and Numba's modules rarely or never use. One of each kind is enough.
source_filename = "syntax \22of\22 LLVM.ll"
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-unknown-linux-gnu"

module asm ".globl anything \22quoted\22"
module asm "; no comment"

%pair = type { i32, %"a \22quoted\22 name, with (brackets] }" }
%"a \22quoted\22 name, with (brackets] }" = type { double, [3 x %inner] }
%inner = type <{ i8, ptr }>
%empty = type {}
%0 = type { i64 }

$group = comdat any
$"other group" = comdat largest

; --- globals ---

@plain = global i32 -7
@fraction = global double 1.5, align 8
@tiny = hidden unnamed_addr constant float 0x36A0000000000000
@special = constant [4 x double] [double 0x7FF8000000000000, double 0x7FF0000000000000, double -0.000000e+00, double 0xFFF0000000000000]
@kinds = constant { half, bfloat, float, x86_fp80, fp128, ppc_fp128 } { half 0xH3C00, bfloat 0xR3F80, float 1.000000e+00, x86_fp80 0xK3FFF8000000000000000, fp128 0xL00000000000000003FFF000000000000, ppc_fp128 0xM3FF00000000000000000000000000000 }
@text = private unnamed_addr constant [8 x i8] c"a\22\5C\0A{};\00", section ".rodata", align 1
@packed = global <{ i8, i64 }> <{ i8 1, i64 -2 }>
@named = global %inner <{ i8 1, ptr @packed }>
@deep = global { { { { { { [2 x { i8, ptr }] } } } } } } { { { { { { [2 x { i8, ptr }] } } } } } { { { { { [2 x { i8, ptr }] } } } } { { { { [2 x { i8, ptr }] } } } { { { [2 x { i8, ptr }] } } { { [2 x { i8, ptr }] } { [2 x { i8, ptr }] [{ i8, ptr } { i8 1, ptr @plain }, { i8, ptr } zeroinitializer] } } } } } }
@vectors = global { <2 x i64>, <4 x float>, <2 x ptr>, <8 x i1> } { <2 x i64> <i64 1, i64 2>, <4 x float> splat (float 2.500000e+00), <2 x ptr> zeroinitializer, <8 x i1> poison }
@expressions = global [4 x i64] [i64 ptrtoint (ptr @plain to i64), i64 sub (i64 ptrtoint (ptr @text to i64), i64 ptrtoint (ptr @plain to i64)), i64 add (i64 ptrtoint (ptr getelementptr inbounds nuw (i8, ptr @text, i64 4) to i64), i64 1), i64 0]
@table = global [2 x ptr] [ptr getelementptr inbounds ([2 x %pair], ptr @outside, i64 0, i64 1, i32 1), ptr getelementptr inrange(-8, 8) (i8, ptr @table, i64 8)]
@outside = external dso_local global [2 x %pair], align 16
@wide = global i128 170141183460469231731687303715884105727
@odd = global i7 -64
@absolute = global ptr inttoptr (i64 4096 to ptr)
@other_space = addrspace(3) global i32 undef, align 4
@casted = global ptr addrspacecast (ptr addrspace(3) @other_space to ptr)
@weak_one = weak global i8 0
@shared = common global i64 0, align 8
@hidden_thread = internal thread_local(initialexec) global i32 0
@in_group = linkonce_odr global i32 1, comdat($group), align 4
@group = linkonce_odr constant i32 2, comdat
@imported = extern_weak global i8
@initialised = external externally_initialized global i32
@"odd name \22 \C3\A9" = internal global i8 3
@1 = private constant i8 4
@tagged = global i32 5, !kind !0
@block_addresses = constant [1 x ptr] [ptr blockaddress(@indirect, %second)]
@same_function = constant ptr dso_local_equivalent @callee
@no_checks = constant ptr no_cfi @callee
@llvm.used = appending global [1 x ptr] [ptr @text], section "llvm.metadata"

@other_plain = alias i32, ptr @plain
@inside = internal unnamed_addr alias i8, getelementptr inbounds (i8, ptr @fraction, i64 4)
@resolved = ifunc i32 (i32), ptr @resolver

; --- functions ---

declare i32 @callee(i32, ...)
declare void @takes_all(ptr noalias captures(none) sret(%pair) align 8, ptr byval([2 x i32]), i8 signext, i16 zeroext range(i16 0, 100), ptr dereferenceable(8) dereferenceable_or_null(16) initializes((0, 4), (8, 12)), float nofpclass(nan inf), ptr inreg)
declare noundef nonnull ptr @gives_attributes(ptr returned) #0
declare dso_local swiftcc void @swift(ptr swiftself, ptr swifterror)
declare x86_fp80 @extended(x86_fp80)
declare void @llvm.assume(i1 noundef)
declare <4 x double> @llvm.masked.load.v4f64.p0(ptr captures(none), <4 x i1>, <4 x double>)
declare double @llvm.experimental.constrained.fadd.f64(double, double, metadata, metadata)
declare i32 @personality(...)
declare token @llvm.call.preallocated.setup(i32)
declare ptr @llvm.call.preallocated.arg(token, i32 immarg)
declare void @preallocated(ptr preallocated(i32))

define ptr @resolver() {
  ret ptr @plain
}

define weak_odr hidden fastcc noundef range(i32 0, 10) i32 @head(i32 noundef %0, ptr readonly captures(address, read_provenance) %1, i32 %named) unnamed_addr #1 section ".text.odd" comdat($"other group") align 32 gc "statepoint-example" prefix i32 7 prologue i8 1 personality ptr @personality !kind !0 {
  %3 = add nuw nsw i32 %0, %named
  br label %4

4:                                                ; preds = %4, %2
  %5 = phi i32 [ %3, %2 ], [ %6, %4 ]
  %6 = sub i32 %5, 1
  %7 = icmp samesign ult i32 %6, 10
  br i1 %7, label %8, label %4, !prof !1

8:                                                ; preds = %4
  ret i32 %6
}

define void @arithmetic(i32 %i, i64 %l, double %d, float %f, ptr %p, <4 x float> %v, <vscale x 2 x i64> %s) {
entry:
  %"quoted name" = udiv exact i32 %i, 3
  %"name with \22, \5C and )" = or disjoint i32 %"quoted name", 1
  %neg = fneg nnan ninf double %d
  %fast = fmul fast double %neg, 0x3FB999999999999A
  %some = fadd nsz arcp contract afn reassoc double %fast, %d
  %rem = frem double %some, -1.0e+00
  %ext = zext nneg i32 %i to i64
  %cut = trunc nuw nsw i64 %l to i32
  %wide = sext i32 %cut to i128
  %up = uitofp nneg i32 %i to double
  %narrow = fptrunc double %d to float
  %halved = fptrunc float %narrow to half
  %ext80 = fpext double %d to x86_fp80
  %called80 = call x86_fp80 @extended(x86_fp80 %ext80)
  %number = ptrtoint ptr %p to i64
  %space = addrspacecast ptr %p to ptr addrspace(1)
  %bits = bitcast double %d to <2 x i32>
  %frozen = freeze <2 x i32> %bits
  %cmp = fcmp nnan uno double %d, 0.000000e+00
  %always = fcmp true float %f, %narrow
  %cmpv = icmp ne <vscale x 2 x i64> %s, zeroinitializer
  %sel = select nnan i1 %cmp, double %d, double %rem
  %selv = select <4 x i1> <i1 true, i1 false, i1 true, i1 poison>, <4 x float> %v, <4 x float> splat (float 1.000000e+00)
  %el = extractelement <4 x float> %selv, i64 %l
  %ins = insertelement <4 x float> %v, float %el, i32 2
  %shuf = shufflevector <4 x float> %v, <4 x float> %ins, <8 x i32> <i32 0, i32 5, i32 poison, i32 7, i32 1, i32 1, i32 1, i32 1>
  %scal = shufflevector <vscale x 2 x i64> %s, <vscale x 2 x i64> poison, <vscale x 2 x i32> zeroinitializer
  %tuple = insertvalue { i32, [2 x double], %pair } poison, double %d, 1, 1
  %back = extractvalue { i32, [2 x double], %pair } %tuple, 2, 1, 0
  %masked = call nnan <4 x double> @llvm.masked.load.v4f64.p0(ptr align 8 %p, <4 x i1> splat (i1 true), <4 x double> poison)
  %strict = call double @llvm.experimental.constrained.fadd.f64(double %d, double 1.0, metadata !"round.tonearest", metadata !"fpexcept.strict") #2
  ret void
}

define void @memory(ptr %p, ptr addrspace(1) %q, i64 %n, <4 x ptr> %many) {
  %a = alloca %pair, align 8
  %b = alloca inalloca [3 x i8], align 1
  %c = alloca double, i64 %n, align 16
  %e = alloca i32, align 4, addrspace(0)
  %x = load volatile i32, ptr %p, align 4
  %y = load atomic i64, ptr %p syncscope("singlethread") acquire, align 8
  %z = load ptr, ptr addrspace(1) %q, align 8, !nonnull !2, !noundef !2
  store volatile i32 %x, ptr %a, align 1, !nontemporal !3
  store atomic i64 %y, ptr %p monotonic, align 8
  %old = atomicrmw volatile fadd ptr %p, double 1.000000e+00 syncscope("agent") acq_rel, align 8
  %min = atomicrmw umin ptr %p, i32 3 seq_cst, align 4
  %swap = cmpxchg weak volatile ptr %p, i32 0, i32 %x syncscope("agent") acq_rel monotonic, align 4
  %ok = extractvalue { i32, i1 } %swap, 1
  fence syncscope("singlethread") seq_cst
  %g = getelementptr inbounds nuw %pair, ptr %p, i64 %n, i32 1, i32 1, i64 2, i32 1
  %h = getelementptr nusw nuw i8, ptr %g, i64 1
  %vg = getelementptr i32, <4 x ptr> %many, i64 1
  %vi = getelementptr double, ptr %p, <2 x i64> <i64 1, i64 2>
  %k = getelementptr i8, ptr addrspace(1) %q, i64 ptrtoint (ptr @plain to i64)
  %v = va_arg ptr %p, double
  store { i8, ptr } { i8 1, ptr @plain }, ptr getelementptr inbounds ([8 x i8], ptr @text, i64 0, i64 3), align 8
  ret void
}

define i32 @calls(ptr %f, i32 %x, ...) {
entry:
  %a = call i32 (i32, ...) @callee(i32 signext %x, double 1.000000e+00, ptr @plain)
  %b = tail call fastcc noundef range(i32 0, 10) i32 %f(ptr nonnull align 8 dereferenceable(4) @plain, i32 %a) #3
  %c = notail call i32 asm sideeffect alignstack inteldialect "mov $0, \22$1\22 {x}", "=r,r,~{memory}"(i32 %b) #4, !srcloc !3
  %d = call i32 inttoptr (i64 4096 to ptr)()
  %e = call cc 100 { i32, ptr } %f() nounwind memory(read) "key"="a value" [ "deopt"(i32 1, ptr @plain), "other"() ]
  call void @llvm.assume(i1 true) [ "align"(ptr %f, i64 16) ]
  %token = call token @llvm.call.preallocated.setup(i32 1)
  %slot = call ptr @llvm.call.preallocated.arg(token %token, i32 0) preallocated(i32)
  call void @preallocated(ptr preallocated(i32) %slot) [ "preallocated"(token %token) ]
  %r = musttail call i32 (ptr, i32, ...) @calls(ptr %f, i32 %c, ...)
  ret i32 %r
}

define i32 @unwinding(i32 %x) personality ptr @personality {
entry:
  %a = invoke i32 (i32, ...) @callee(i32 %x)
          to label %next unwind label %pad

next:                                             ; preds = %entry
  invoke void @takes_all(ptr sret(%pair) null, ptr byval([2 x i32]) null, i8 1, i16 2, ptr null, float 0.0, ptr null)
          to label %done unwind label %pad, !kind !0

pad:                                              ; preds = %next, %entry
  %lp = landingpad { ptr, i32 }
          cleanup
          catch ptr @plain
          filter [1 x ptr] [ptr @text]
  %what = extractvalue { ptr, i32 } %lp, 1
  resume { ptr, i32 } %lp

done:                                             ; preds = %next
  ret i32 %a
}

define void @windows(i32 %x) personality ptr @personality {
entry:
  %a = invoke i32 (i32, ...) @callee(i32 %x)
          to label %next unwind label %dispatch

dispatch:                                         ; preds = %entry
  %cs = catchswitch within none [label %handler] unwind label %clean

handler:                                          ; preds = %dispatch
  %cp = catchpad within %cs [ptr null, i32 64]
  %called = call i32 (i32, ...) @callee(i32 1) [ "funclet"(token %cp) ]
  catchret from %cp to label %next

clean:                                            ; preds = %dispatch
  %cl = cleanuppad within none []
  cleanupret from %cl unwind to caller

next:                                             ; preds = %handler, %entry
  ret void
}

define i32 @indirect(ptr %target, i32 %x) {
first:
  indirectbr ptr %target, [label %second, label %third]

second:                                           ; preds = %first
  switch i32 %x, label %third [
    i32 1, label %"last one"
    i32 -2, label %"last one"
  ], !prof !4

third:                                            ; preds = %second, %first
  switch i32 %x, label %"last one" [
  ]

"last one":                                       ; preds = %third, %second, %second
  %p = phi i32 [ 1, %second ], [ 1, %second ], [ 3, %third ]
  %o = callbr i32 asm "", "=r,r,!i"(i32 %x)
          to label %fallthrough [label %elsewhere]

fallthrough:                                      ; preds = %"last one"
  ret i32 %o

elsewhere:                                        ; preds = %"last one"
  unreachable
}

define linkonce_odr void @in_comdat() comdat($group) {
  ret void
}

define available_externally void @unnamed(i32, ptr) {
  %3 = load i32, ptr %1, align 4
  %4 = call i32 (i32, ...) @callee(i32 %3)
  ret void
}

attributes #0 = { nounwind willreturn memory(argmem: read, inaccessiblemem: write) "a-key"="with; {odd} text" }
attributes #1 = { noinline optnone uwtable allocsize(0) vscale_range(1,16) "no-value" }
attributes #2 = { strictfp }
attributes #3 = { nobuiltin }
attributes #4 = { nounwind memory(none) }

!llvm.module.flags = !{!5}
!a.name = !{!0, !6}

!0 = !{}
!1 = !{!"branch_weights", i32 1, i32 99}
!2 = !{}
!3 = !{i32 1}
!4 = !{!"branch_weights", i32 1, i32 2, i32 3}
!5 = !{i32 2, !"Debug Info Version", i32 3}
!6 = distinct !{!6, !"text; with \22quotes\22", ptr @plain, double 1.000000e+00, null}
