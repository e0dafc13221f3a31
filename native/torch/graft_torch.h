// The C ABI over libtorch. Operators are not wrapped one by one: they are found by name in libtorch's
// own dispatcher and called boxed. Every function that can fail returns a negative number (or null) and
// leaves one sentence in graft_last_error(), which belongs to the calling thread.
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GRAFT_API __attribute__((visibility("default")))
#define GRAFT_MAX_DIMS 12

typedef struct graft_tensor_t* graft_tensor;             // one reference to a tensor; null where a tensor is optional
typedef const struct graft_operator_t* graft_operator;   // lives as long as the process

enum graft_kind {
    GRAFT_NONE = 0,
    GRAFT_TENSOR = 1,   // p: graft_tensor, borrowed
    GRAFT_INT = 2,      // i
    GRAFT_DOUBLE = 3,   // d
    GRAFT_BOOL = 4,     // i: 0 or 1
    GRAFT_STRING = 5,   // p: UTF-8, count bytes
    GRAFT_INTS = 6,     // p: int64_t[count]
    GRAFT_DOUBLES = 7,  // p: double[count]
    GRAFT_BOOLS = 8,    // p: uint8_t[count]
    GRAFT_TENSORS = 9,  // p: graft_tensor[count], borrowed, null elements where the operator takes Tensor?[]
    GRAFT_DEVICE = 10,  // i: type in the upper half, index in the lower
    GRAFT_DEFAULT = 11  // what the operator's schema says
};

typedef struct {
    int32_t kind;
    int32_t count;
    union {
        int64_t i;
        double d;
        const void* p;
    };
} graft_value;

typedef struct {
    int32_t dtype;        // c10::ScalarType
    int32_t dims;
    int32_t device_type;  // c10::DeviceType
    int32_t device_index;
    int32_t requires_grad;
    int32_t contiguous;
    int64_t sizes[GRAFT_MAX_DIMS];
    int64_t strides[GRAFT_MAX_DIMS];
} graft_description;

// runtime.cpp
GRAFT_API const char* graft_last_error(void);
GRAFT_API const char* graft_version(void);                 // libtorch's version
GRAFT_API const char* graft_build_info(void);              // libtorch's own description of its build
GRAFT_API int32_t graft_set_threads(int32_t count);        // for the calling thread's operators and the BLAS
GRAFT_API int32_t graft_get_threads(void);
GRAFT_API void graft_leave_at_once(void);                  // at the end of the process no library takes itself apart; glibc only
GRAFT_API int32_t graft_allow_tf32(int32_t allowed);       // products and convolutions of NVIDIA's GPUs
GRAFT_API int32_t graft_tf32_allowed(void);                // 1: products, 2: convolutions, 3: both
GRAFT_API int32_t graft_benchmark_cudnn(int32_t wanted);    // whether cuDNN times its convolutions and takes the fastest
GRAFT_API int32_t graft_cudnn_benchmarked(void);
GRAFT_API int32_t graft_device_count(int32_t device_type);
GRAFT_API const char* graft_blas_path(void);               // file of the loaded sgemm_
GRAFT_API int64_t graft_live_tensors(void);                // handles not yet released

// dispatch.cpp
GRAFT_API graft_operator graft_find_operator(const char* name, const char* overload);
GRAFT_API const char* graft_operator_schema(graft_operator op);
GRAFT_API int32_t graft_call(graft_operator op, int32_t grad_mode, const graft_value* arguments, int32_t count,
                             graft_value* results, int32_t capacity);
GRAFT_API void graft_free(void* memory);                   // the array of a list among the results

// tensor.cpp
GRAFT_API graft_tensor graft_tensor_from(const void* data, int32_t dtype, const int64_t* sizes, int32_t dims);
GRAFT_API void graft_tensor_release(graft_tensor t);
GRAFT_API int32_t graft_tensor_describe(graft_tensor t, graft_description* out);
GRAFT_API void* graft_tensor_data(graft_tensor t);         // CPU and contiguous, or null
GRAFT_API int32_t graft_tensor_set_requires_grad(graft_tensor t, int32_t value);

// autograd.cpp
GRAFT_API graft_tensor graft_tensor_grad(graft_tensor t);  // null and no error: it has none
GRAFT_API int32_t graft_tensor_set_grad(graft_tensor t, graft_tensor grad);
GRAFT_API int32_t graft_backward(const graft_tensor* outputs, const graft_tensor* seeds, int32_t count,
                                 int32_t retain_graph, int32_t create_graph);
GRAFT_API int32_t graft_gradients(const graft_tensor* outputs, const graft_tensor* seeds, int32_t count,
                                  const graft_tensor* inputs, int32_t input_count, int32_t retain_graph,
                                  int32_t create_graph, int32_t allow_unused, graft_tensor* results);

// memory.cpp: bytes of tensors that were made on this thread (and by backward passes it began) since graft_memory_begin
GRAFT_API int32_t graft_memory_begin(void);                // once at a time
GRAFT_API int32_t graft_memory_read(int64_t* current, int64_t* peak, int32_t reset_peak);
GRAFT_API int32_t graft_memory_end(void);

// profile.cpp: what every operator took on this thread, and in the backward passes it began, between begin and end. Bytes are known while
// graft_memory_begin counts. Regions nest; what is in none belongs to the first, which has no parent (-1).
typedef struct {
    const char* name;    // the operator's, or the backward function's; empty: outside of all operators
    int32_t region;
    int32_t backward;    // whether a backward pass called it
    int64_t calls;
    int64_t nanoseconds; // less what it called, but for convolutions and matrix products, which keep it
    int64_t bytes;       // allocated, whatever was given back
    double operations;   // of convolutions and matrix products: 2 for each multiply-add; else 0
} graft_profile_row;
typedef struct {
    const char* label;
    int32_t parent;
    int64_t held;           // bytes at its end less those at its beginning
    int64_t peak;           // the most that was held at once meanwhile, by whatever
    int64_t backward_peak;  // the same of its backward functions
} graft_profile_region;
GRAFT_API int32_t graft_profile_begin(void);               // once at a time
GRAFT_API int32_t graft_profile_enter(const char* label);  // a region inside the current one
GRAFT_API int32_t graft_profile_leave(void);
GRAFT_API int32_t graft_profile_end(const graft_profile_row** rows, int32_t* row_count,      // arrays live until the next begin
                                    const graft_profile_region** regions, int32_t* region_count);

// random.cpp: Philox4x32-10 (Salmon et al. 2011)
enum graft_distribution { GRAFT_UNIFORM = 0, GRAFT_NORMAL = 1, GRAFT_INTEGER = 2 };
GRAFT_API int32_t graft_random_fill(int32_t distribution, uint64_t key, uint64_t step, const int64_t* items,
                                    int64_t item_count, int64_t low, int64_t high, graft_tensor out);

// optimiser.cpp
typedef struct {
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    double max_norm;    // gradients are scaled down to this global norm; 0: not
    double ema_decay;   // of this step
    int64_t step;       // 1 for the first
} graft_adamw;
// A parameter whose gradient is null is left alone; its average still moves. ema may be null, or hold nulls. Returns 0; *norm is the gradient's global norm before clipping.
// Where the norm is not finite nothing is changed and 1 is returned.
GRAFT_API int32_t graft_adamw_step(const graft_adamw* options, int32_t count, const graft_tensor* parameters,
                                   const graft_tensor* gradients, const graft_tensor* exp_avg,
                                   const graft_tensor* exp_avg_sq, const graft_tensor* ema, double* norm);

#ifdef __cplusplus
}
#endif
