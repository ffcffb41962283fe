/* A stand-in for NVIDIA's driver, libcuda.so.1, on a machine without a GPU: one device, whose memory is the host's.

   What it does as the driver's documentation says:
     memory      fresh memory holds NaN, freed memory too; copies and fills that leave an allocation are refused; what is
                 written behind an allocation ends the process when that is freed; there may be too little of it
     streams     launches, copies and fills are queued, and run as late as they may: when the host waits for their
                 stream, or for an event or a stream behind them; streams made with CU_STREAM_NON_BLOCKING do not wait
                 for the default stream. A copy from the host's memory is taken at once and arrives in its stream's turn.
     freeing     cuMemFree waits for everything
     kernels     are found in an image only if it has a symbol of this name; a block has at most 1024 threads

   What it does not show: that an image could be run (it is not), time, errors that a launch reports later than where it
   fails, several devices, contexts that are switched, memory of the host that is mapped, graphs. Functions that it does
   not know give CUDA_ERROR_NOT_SUPPORTED and are named in the file NUMBAD_DRIVER_LOG.

   Kernels run in the functions that `standin_kernels` was given: one takes the parameters at the time of the launch and
   gives a number, the other runs the launch of this number. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_IMAGE = 200, NO_CONTEXT = 201,
       INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600, LAUNCH_FAILED = 719, NOT_SUPPORTED = 801 };

typedef uint64_t Address;
#define API __attribute__((visibility("default"))) int

/* --- memory ------------------------------------------------------------------------------------------------------- */

enum { FENCE = 256, NAN_BYTE = 0xFF, FENCE_BYTE = 0xA5 };

typedef struct Block { Address start; size_t size; uint64_t id; struct Block *next; } Block;
static Block *blocks;
static size_t memory = (size_t)8 << 30, used;
static uint64_t allocations;

static Block *block_of(Address at) {
    for (Block *b = blocks; b; b = b->next)
        if (b->start <= at && at < b->start + b->size) return b;
    return NULL;
}

static int lies_inside(Address at, size_t size) {
    Block *b = block_of(at);
    return !size || (b && at + size <= b->start + b->size);
}

__attribute__((visibility("default"))) void standin_memory(size_t bytes) { memory = bytes; }
__attribute__((visibility("default"))) size_t standin_used(void) { return used; }

/* --- what is queued ----------------------------------------------------------------------------------------------- */

typedef struct Stream { int non_blocking; } Stream;
typedef struct Event { uint64_t after; } Event;

typedef struct Operation {
    enum { COPY, FILL, LAUNCH, RECORD } kind;
    Stream *stream;
    Address to, from;
    void *staged;
    size_t size, width;
    unsigned value;
    int launch;
    uint64_t number;
    struct Operation *next;
} Operation;

static Operation *first;
static uint64_t operations;
static int failed;                              /* the first error of a kernel; stays, as on a device */

typedef int (*Take)(const char *name, const unsigned *grid, const unsigned *block, unsigned shared, void **parameters,
                    void *stream, int cooperative);
typedef int (*Run)(int launch);
static Take take;
static Run run;

__attribute__((visibility("default"))) void standin_kernels(Take t, Run r) { take = t; run = r; }

static void perform(Operation *o) {
    if (failed) return;
    if (o->kind == COPY) {
        memmove((void *)o->to, o->staged ? o->staged : (void *)o->from, o->size);
    } else if (o->kind == FILL) {
        for (size_t i = 0; i < o->size; i++) memcpy((char *)o->to + i * o->width, &o->value, o->width);
    } else if (o->kind == LAUNCH && run(o->launch)) {
        failed = LAUNCH_FAILED;
    }
}

static int waits(const Stream *s) { return !s || !s->non_blocking; }

/* Run what must be over before the operation `last` of a stream is, and that. */
static void finish(Stream *stream, uint64_t last) {
    int behind_default = 0;
    for (Operation *o = first; o && o->number <= last; o = o->next) behind_default |= waits(stream) && !o->stream;
    Operation **place = &first;
    while (*place && (*place)->number <= last) {
        Operation *o = *place;
        if (o->stream == stream || (waits(stream) && waits(o->stream) && behind_default)) {
            *place = o->next;                   /* a kernel's callback does not queue anything */
            perform(o);
            free(o->staged);
            free(o);
        } else {
            place = &o->next;
        }
    }
}

static void finish_stream(Stream *stream) {
    if (stream) {
        finish(stream, operations);
        return;
    }
    Operation *o = malloc(sizeof *o);           /* the default stream waits for all that wait for it */
    *o = (Operation){.kind = RECORD, .number = ++operations};
    Operation **end = &first;
    while (*end) end = &(*end)->next;
    *end = o;
    finish(NULL, operations);
}

static void finish_all(void) {                  /* streams that wait for none first: that may happen */
    for (Operation *o = first; o;) {
        if (waits(o->stream)) {
            o = o->next;
        } else {
            finish(o->stream, operations);
            o = first;
        }
    }
    while (first) {
        Operation *o = first;
        first = o->next;
        perform(o);
        free(o->staged);
        free(o);
    }
}

static void queue(Operation given) {
    Operation *o = malloc(sizeof *o), **end = &first;
    *o = given;
    o->number = ++operations;
    while (*end) end = &(*end)->next;
    *end = o;
}

static Stream *stream_of(void *handle) { return (uintptr_t)handle <= 2 ? NULL : handle; }

/* --- device and context ------------------------------------------------------------------------------------------- */

static int context_handle;
static void *current;

API cuInit(unsigned flags) { return flags ? INVALID_VALUE : OK; }
API cuDriverGetVersion(int *version) { *version = 13000; return OK; }
API cuDeviceGetCount(int *count) { *count = 1; return OK; }
API cuDeviceGet(int *device, int ordinal) { *device = 0; return ordinal ? INVALID_DEVICE : OK; }
API cuDeviceGetName(char *name, int length, int device) {
    (void)device;
    snprintf(name, length, "a stand-in, no GPU");
    return OK;
}
API cuDeviceGetUuid(unsigned char *uuid, int device) { memset(uuid, 7 + device, 16); return OK; }
API cuDeviceTotalMem(size_t *bytes, int device) { (void)device; *bytes = memory; return OK; }

API cuDeviceGetAttribute(int *value, int attribute, int device) {
    static const int known[][2] = {
        {1, 1024}, {2, 1024}, {3, 1024}, {4, 64}, {5, 2147483647}, {6, 65535}, {7, 65535},     /* threads and blocks */
        {8, 49152}, {9, 65536}, {10, 32}, {12, 65536}, {13, 1000000}, {16, 4}, {39, 2048},     /* shared, warp, SMs */
        {41, 1}, {75, 9}, {76, 0}, {81, 233472}, {82, 65536}, {83, 1}, {95, 1}, {97, 232448},  /* 9.0; cooperative */
        {115, 1}};
    (void)device;
    *value = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i][0] == attribute) *value = known[i][1];
    return OK;
}

API cuDevicePrimaryCtxRetain(void **context, int device) { (void)device; *context = &context_handle; return OK; }
API cuDevicePrimaryCtxRelease(int device) { (void)device; return OK; }
API cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    (void)device;
    *flags = 0, *active = 1;
    return OK;
}
API cuCtxGetCurrent(void **context) { *context = current; return OK; }
API cuCtxSetCurrent(void *context) { current = context; return OK; }
API cuCtxPushCurrent(void *context) { current = context; return OK; }
API cuCtxPopCurrent(void **context) { *context = current; current = NULL; return OK; }
API cuCtxGetDevice(int *device) { *device = 0; return current ? OK : NO_CONTEXT; }
API cuStreamGetCtx(void *stream, void **context) { (void)stream; *context = &context_handle; return OK; }
API cuStreamGetDevice(void *stream, int *device) { (void)stream; *device = 0; return OK; }
API cuCtxGetId(void *context, unsigned long long *id) { (void)context; *id = 1; return OK; }
API cuStreamGetId(void *stream, unsigned long long *id) { *id = (uintptr_t)stream; return OK; }
API cuCtxSynchronize(void) { finish_all(); return failed; }

/* --- memory, asked for -------------------------------------------------------------------------------------------- */

API cuMemAlloc(Address *at, size_t size) {
    if (!size) return INVALID_VALUE;
    if (size > memory - used) return OUT_OF_MEMORY;
    size_t all = (size + 2 * FENCE + 255) / 256 * 256;
    char *place = aligned_alloc(256, all);
    if (!place) return OUT_OF_MEMORY;
    memset(place, FENCE_BYTE, all);
    memset(place + FENCE, NAN_BYTE, size);
    Block *b = malloc(sizeof *b);
    *b = (Block){(Address)(place + FENCE), size, ++allocations, blocks};
    blocks = b, used += size, *at = b->start;
    return OK;
}

API cuMemFree(Address at) {
    if (!at) return OK;
    finish_all();
    for (Block **place = &blocks; *place; place = &(*place)->next) {
        Block *b = *place;
        if (b->start != at) continue;
        for (int i = 0; i < FENCE; i++)
            if (((unsigned char *)at)[b->size + i] != FENCE_BYTE || ((unsigned char *)at)[-1 - i] != FENCE_BYTE) {
                fprintf(stderr, "written outside an allocation of %zu bytes\n", b->size);
                abort();
            }
        memset((void *)at, NAN_BYTE, b->size);
        free((char *)at - FENCE);
        used -= b->size, *place = b->next;
        free(b);
        return failed;
    }
    return INVALID_VALUE;
}

API cuMemGetInfo(size_t *free, size_t *total) { *free = memory - used, *total = memory; return OK; }

API cuMemGetAddressRange(Address *start, size_t *size, Address at) {
    Block *b = block_of(at);
    if (!b) return NOT_FOUND;
    if (start) *start = b->start;
    if (size) *size = b->size;
    return OK;
}

API cuPointerGetAttribute(void *value, int attribute, Address at) {
    Block *b = block_of(at);
    if (!b) return INVALID_VALUE;               /* memory of the host that no function of the driver knows */
    switch (attribute) {
    case 1: *(void **)value = &context_handle; return OK;
    case 2: *(unsigned *)value = 2; return OK;  /* CU_MEMORYTYPE_DEVICE */
    case 3: *(Address *)value = at; return OK;
    case 7: *(uint64_t *)value = b->id; return OK;
    case 8: *(int *)value = 0; return OK;       /* not managed */
    case 9: *(int *)value = 0; return OK;
    case 11: *(Address *)value = b->start; return OK;
    case 12: *(size_t *)value = b->size; return OK;
    default: return NOT_SUPPORTED;
    }
}

static int to_device(Address to, const void *from, size_t size, void *stream) {
    if (!lies_inside(to, size)) return INVALID_VALUE;
    Operation o = {.kind = COPY, .stream = stream_of(stream), .to = to, .staged = malloc(size + 1), .size = size};
    memcpy(o.staged, from, size);
    queue(o);
    return failed;
}

static int to_host(void *to, Address from, size_t size, void *stream) {
    if (!lies_inside(from, size)) return INVALID_VALUE;
    finish_stream(stream_of(stream));
    memcpy(to, (void *)from, size);
    return failed;
}

static int on_device(Address to, Address from, size_t size, void *stream) {
    if (!lies_inside(to, size) || !lies_inside(from, size)) return INVALID_VALUE;
    queue((Operation){.kind = COPY, .stream = stream_of(stream), .to = to, .from = from, .size = size});
    return failed;
}

static int fill(Address to, unsigned value, size_t width, size_t count, void *stream) {
    if (!lies_inside(to, width * count)) return INVALID_VALUE;
    queue((Operation){.kind = FILL, .stream = stream_of(stream), .to = to, .size = count, .width = width,
                      .value = value});
    return failed;
}

API cuMemcpyHtoD(Address to, const void *from, size_t size) { return to_device(to, from, size, NULL); }
API cuMemcpyHtoDAsync(Address to, const void *from, size_t n, void *s) { return to_device(to, from, n, s); }
API cuMemcpyDtoH(void *to, Address from, size_t size) { return to_host(to, from, size, NULL); }
API cuMemcpyDtoHAsync(void *to, Address from, size_t size, void *s) { return to_host(to, from, size, s); }
API cuMemcpyDtoD(Address to, Address from, size_t size) { return on_device(to, from, size, NULL); }
API cuMemcpyDtoDAsync(Address to, Address from, size_t size, void *s) { return on_device(to, from, size, s); }
API cuMemsetD8(Address to, unsigned char v, size_t count) { return fill(to, v, 1, count, NULL); }
API cuMemsetD8Async(Address to, unsigned char v, size_t n, void *s) { return fill(to, v, 1, n, s); }
API cuMemsetD32(Address to, unsigned v, size_t count) { return fill(to, v, 4, count, NULL); }
API cuMemsetD32Async(Address to, unsigned v, size_t n, void *s) { return fill(to, v, 4, n, s); }

/* --- streams and events ------------------------------------------------------------------------------------------- */

API cuStreamCreate(Stream **stream, unsigned flags) {
    *stream = malloc(sizeof **stream);
    (*stream)->non_blocking = flags & 1;
    return OK;
}
API cuStreamCreateWithPriority(Stream **stream, unsigned flags, int priority) {
    (void)priority;
    return cuStreamCreate(stream, flags);
}
API cuStreamDestroy(Stream *stream) { finish(stream, operations); free(stream); return OK; }
API cuStreamSynchronize(void *stream) { finish_stream(stream_of(stream)); return failed; }
API cuStreamQuery(void *stream) { return cuStreamSynchronize(stream); }
API cuStreamIsCapturing(void *stream, int *status) { (void)stream; *status = 0; return OK; }
API cuStreamGetCaptureInfo(void *stream, int *status) { (void)stream; *status = 0; return OK; }
API cuStreamGetFlags(Stream *stream, unsigned *flags) { *flags = !waits(stream_of(stream)); return OK; }

API cuEventCreate(Event **event, unsigned flags) { (void)flags; *event = calloc(1, sizeof **event); return OK; }
API cuEventDestroy(Event *event) { free(event); return OK; }
API cuEventRecord(Event *event, void *stream) {
    queue((Operation){.kind = RECORD, .stream = stream_of(stream)});
    event->after = operations;
    return failed;
}
API cuEventSynchronize(Event *event) {
    for (Operation *o = first; o; o = o->next)
        if (o->number == event->after) {
            finish(o->stream, event->after);
            break;
        }
    return failed;
}
API cuEventQuery(Event *event) { return cuEventSynchronize(event); }
API cuEventElapsedTime(float *ms, Event *begin, Event *end) {
    *ms = 0.001f * (float)(1 + end->after - begin->after);
    return OK;
}
API cuStreamWaitEvent(void *stream, Event *event, unsigned flags) {
    (void)stream, (void)flags;
    return cuEventSynchronize(event);           /* sooner than it must be */
}

/* --- kernels ------------------------------------------------------------------------------------------------------ */

typedef struct Kernel { char *name; struct Library *library; struct Kernel *next; } Kernel;
typedef struct Library { char *image; size_t size; Kernel *kernels; } Library;

static size_t image_size(const char *image) {
    if (memcmp(image, "\177ELF", 4)) return 0;
    uint64_t sections;
    uint16_t size, count;
    memcpy(&sections, image + 40, 8), memcpy(&size, image + 58, 2), memcpy(&count, image + 60, 2);
    return sections + (size_t)size * count;
}

API cuLibraryLoadData(Library **library, const void *image, int *jit, void **values, unsigned n, int *options,
                      void **option_values, unsigned m) {
    (void)jit, (void)values, (void)n, (void)options, (void)option_values, (void)m;
    size_t size = image_size(image);
    if (!size) return INVALID_IMAGE;            /* only what a linker has made: no PTX */
    *library = calloc(1, sizeof **library);
    (*library)->image = memcpy(malloc(size), image, size);
    (*library)->size = size;
    return OK;
}
API cuLibraryUnload(Library *library) { finish_all(); free(library->image); free(library); return OK; }

API cuLibraryGetKernel(Kernel **kernel, Library *library, const char *name) {
    size_t length = strlen(name) + 1, i = 0;
    while (i + length < library->size && memcmp(library->image + i, name, length)) i++;
    if (i + length >= library->size) return NOT_FOUND;
    Kernel *k = malloc(sizeof *k);
    *k = (Kernel){strdup(name), library, library->kernels};
    library->kernels = k, *kernel = k;
    return OK;
}
API cuLibraryGetGlobal(Address *at, size_t *size, Library *library, const char *name) {
    (void)at, (void)size, (void)library, (void)name;
    return NOT_FOUND;
}
API cuKernelGetFunction(Kernel **function, Kernel *kernel) { *function = kernel; return OK; }
API cuKernelGetLibrary(Library **library, Kernel *kernel) { *library = kernel->library; return OK; }
API cuFuncGetModule(void **module, Kernel *function) { *module = function->library; return OK; }
API cuFuncIsLoaded(int *state, Kernel *function) { (void)function; *state = 1; return OK; }
API cuKernelGetName(const char **name, Kernel *kernel) { *name = kernel->name; return OK; }
API cuFuncGetAttribute(int *value, int attribute, Kernel *function) {
    (void)function;
    *value = attribute == 0 ? 1024 : attribute == 5 || attribute == 6 ? 90 : 0;
    return OK;
}
API cuKernelGetAttribute(int *value, int attribute, Kernel *kernel, int device) {
    (void)device;
    return cuFuncGetAttribute(value, attribute, kernel);
}
API cuKernelSetAttribute(int attribute, int value, Kernel *kernel, int device) {
    (void)attribute, (void)value, (void)kernel, (void)device;
    return OK;
}
API cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Kernel *kernel, int size, size_t shared) {
    (void)kernel, (void)shared;
    *blocks = 2048 / (size ? size : 1);
    return OK;
}

static int launch(Kernel *kernel, const unsigned *grid, const unsigned *block, unsigned shared, void *stream,
                  void **parameters, int cooperative) {
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
    if (!threads || threads > 1024 || block[2] > 64 || !(grid[0] && grid[1] && grid[2])) return INVALID_VALUE;
    if (grid[1] > 65535 || grid[2] > 65535 || shared > 49152) return INVALID_VALUE;
    if (!take) return NOT_SUPPORTED;
    int number = take(kernel->name, grid, block, shared, parameters, stream, cooperative);
    if (number < 0) return LAUNCH_FAILED;
    queue((Operation){.kind = LAUNCH, .stream = stream_of(stream), .launch = number});
    return failed;
}

API cuLaunchKernel(Kernel *kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **parameters, void **extra) {
    if (extra) return NOT_SUPPORTED;
    return launch(kernel, (unsigned[]){gx, gy, gz}, (unsigned[]){bx, by, bz}, shared, stream, parameters, 0);
}
API cuLaunchCooperativeKernel(Kernel *kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                              unsigned bz, unsigned shared, void *stream, void **parameters) {
    return launch(kernel, (unsigned[]){gx, gy, gz}, (unsigned[]){bx, by, bz}, shared, stream, parameters, 1);
}

typedef struct { int id; char padding[4]; int value[16]; } Attribute;
typedef struct { unsigned grid[3], block[3], shared; void *stream; Attribute *attributes; unsigned count; } Launch;

API cuLaunchKernelEx(const Launch *l, Kernel *kernel, void **parameters, void **extra) {
    int cooperative = 0;
    if (extra) return NOT_SUPPORTED;
    for (unsigned i = 0; i < l->count; i++) {
        if (l->attributes[i].id != 2) return NOT_SUPPORTED;
        cooperative = l->attributes[i].value[0];
    }
    return launch(kernel, l->grid, l->block, l->shared, l->stream, parameters, cooperative);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

API cuGetErrorName(int error, const char **name) { (void)error; *name = "an error of the stand-in"; return OK; }
API cuGetErrorString(int error, const char **text) { (void)error; *text = "see the stand-in's source"; return OK; }

API cuGetProcAddress(const char *symbol, void **function, int version, uint64_t flags, int *status);

#define NAMED(f) {#f, (void *)f}
static const struct { const char *name; void *function; } table[] = {
    NAMED(cuInit), NAMED(cuDriverGetVersion), NAMED(cuDeviceGetCount), NAMED(cuDeviceGet), NAMED(cuDeviceGetName),
    NAMED(cuDeviceGetUuid), NAMED(cuDeviceTotalMem), NAMED(cuDeviceGetAttribute), NAMED(cuDevicePrimaryCtxRetain),
    NAMED(cuDevicePrimaryCtxRelease), NAMED(cuDevicePrimaryCtxGetState), NAMED(cuCtxGetCurrent),
    NAMED(cuCtxSetCurrent), NAMED(cuCtxPushCurrent), NAMED(cuCtxPopCurrent), NAMED(cuCtxGetDevice),
    NAMED(cuStreamGetCtx), NAMED(cuStreamGetDevice), NAMED(cuCtxGetId), NAMED(cuStreamGetId), NAMED(cuCtxSynchronize),
    NAMED(cuMemAlloc), NAMED(cuMemFree), NAMED(cuMemGetInfo), NAMED(cuMemGetAddressRange),
    NAMED(cuPointerGetAttribute), NAMED(cuMemcpyHtoD), NAMED(cuMemcpyHtoDAsync), NAMED(cuMemcpyDtoH),
    NAMED(cuMemcpyDtoHAsync), NAMED(cuMemcpyDtoD), NAMED(cuMemcpyDtoDAsync), NAMED(cuMemsetD8), NAMED(cuMemsetD8Async),
    NAMED(cuMemsetD32), NAMED(cuMemsetD32Async), NAMED(cuStreamCreate), NAMED(cuStreamCreateWithPriority),
    NAMED(cuStreamDestroy), NAMED(cuStreamSynchronize), NAMED(cuStreamQuery), NAMED(cuStreamIsCapturing),
    NAMED(cuStreamGetFlags), NAMED(cuEventCreate), NAMED(cuEventDestroy), NAMED(cuEventRecord),
    NAMED(cuEventSynchronize), NAMED(cuEventQuery), NAMED(cuEventElapsedTime), NAMED(cuStreamWaitEvent),
    NAMED(cuLibraryLoadData), NAMED(cuLibraryUnload), NAMED(cuLibraryGetKernel), NAMED(cuLibraryGetGlobal),
    NAMED(cuKernelGetFunction), NAMED(cuKernelGetLibrary), NAMED(cuFuncGetModule), NAMED(cuFuncIsLoaded),
    NAMED(cuKernelGetName), NAMED(cuFuncGetAttribute), NAMED(cuKernelGetAttribute), NAMED(cuKernelSetAttribute),
    NAMED(cuOccupancyMaxActiveBlocksPerMultiprocessor), NAMED(cuLaunchKernel), NAMED(cuLaunchCooperativeKernel),
    NAMED(cuLaunchKernelEx), NAMED(cuGetErrorName), NAMED(cuGetErrorString), NAMED(cuGetProcAddress),
    NAMED(cuStreamGetCaptureInfo)};

/* One function for each name that is asked for and not known. */
static char *unknown[2048];
static int unknowns;

static int refuse(int i) {
    const char *path = getenv("NUMBAD_DRIVER_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    if (log) fprintf(log, "%s\n", unknown[i]), fclose(log);
    return NOT_SUPPORTED;
}

#define ONE(n) static int refuse_##n(void) { return refuse(0x##n); }
#define ROW(M, n) M(n##0) M(n##1) M(n##2) M(n##3) M(n##4) M(n##5) M(n##6) M(n##7) \
    M(n##8) M(n##9) M(n##A) M(n##B) M(n##C) M(n##D) M(n##E) M(n##F)
#define PAGE(M, n) ROW(M, n##0) ROW(M, n##1) ROW(M, n##2) ROW(M, n##3) ROW(M, n##4) ROW(M, n##5) ROW(M, n##6) \
    ROW(M, n##7) ROW(M, n##8) ROW(M, n##9) ROW(M, n##A) ROW(M, n##B) ROW(M, n##C) ROW(M, n##D) ROW(M, n##E) ROW(M, n##F)
#define ALL(M) PAGE(M, 0) PAGE(M, 1) PAGE(M, 2) PAGE(M, 3)
ALL(ONE)
#define POINTER(n) refuse_##n,
static int (*const refusing[])(void) = {ALL(POINTER)};

API cuGetProcAddress(const char *symbol, void **function, int version, uint64_t flags, int *status) {
    (void)version, (void)flags;
    if (status) *status = 0;
    size_t length = strlen(symbol);
    if (length > 3 && symbol[length - 3] == '_' && symbol[length - 2] == 'v') length -= 3;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].name) == length && !memcmp(table[i].name, symbol, length)) {
            *function = table[i].function;
            return OK;
        }
    int i = 0;
    while (i < unknowns && strcmp(unknown[i], symbol)) i++;
    if (i == unknowns) {
        if (unknowns == sizeof refusing / sizeof *refusing) return NOT_FOUND;
        unknown[unknowns++] = strdup(symbol);
    }
    *function = (void *)refusing[i];
    return OK;
}
API cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags, int *status) {
    return cuGetProcAddress(symbol, function, version, flags, status);
}
