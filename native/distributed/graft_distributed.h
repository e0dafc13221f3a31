// The C ABI over libtorch's c10d: several processes that sum and share tensors. Optional, and a library of its own: one process needs
// none of it. Tensors are the handles of graft_torch.h, borrowed. Every function that can fail returns a negative number (or null) and
// leaves one sentence in graft_distributed_last_error(), which belongs to the calling thread: GRAFT_LOST where another process ended,
// cannot be reached or did not answer within the timeout, GRAFT_FAILED for all else.
#pragma once
#include "graft_torch.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GRAFT_FAILED (-1)
#define GRAFT_LOST (-2)

typedef struct graft_group_t* graft_group;
typedef struct graft_work_t* graft_work;  // a collective under way

GRAFT_API const char* graft_distributed_last_error(void);

// Meets the other processes: all call it with the same host, port, prefix and size, and ranks 0 to size - 1. Where serve is not 0 this
// process holds the store that they meet at; else something else does. backend: "gloo" (CPU) or "nccl" (CUDA, where it was built).
// prefix keeps apart groups that meet at one store.
GRAFT_API graft_group graft_group_create(const char* backend, const char* host, int32_t port, int32_t serve, const char* prefix,
                                         int32_t rank, int32_t size, int64_t timeout_milliseconds);
GRAFT_API void graft_group_destroy(graft_group group);  // nothing may be under way

// Collectives: every process calls the same ones in the same order with tensors of the same type and shape, contiguous.
GRAFT_API graft_work graft_group_all_reduce(graft_group group, graft_tensor tensor);  // the sum, in place; begins it
GRAFT_API int32_t graft_work_wait(graft_work work);                                   // and releases it, whatever comes of it
GRAFT_API int32_t graft_group_broadcast(graft_group group, graft_tensor tensor, int32_t root);
GRAFT_API int32_t graft_group_all_gather(graft_group group, graft_tensor tensor, const graft_tensor* results, int32_t count);
GRAFT_API int32_t graft_group_barrier(graft_group group);

// Gradients, summed in buckets while a backward pass goes on. A parameter must require gradients. bucket_of: the bucket of each, from 0 in
// the order in which their sums begin, the same in every process; those of one bucket are of one type.
typedef struct graft_reducer_t* graft_reducer;
GRAFT_API graft_reducer graft_reducer_create(graft_group group, const graft_tensor* parameters, const int32_t* bucket_of, int32_t count);
GRAFT_API void graft_reducer_destroy(graft_reducer reducer);  // before its group
GRAFT_API int32_t graft_reducer_begin(graft_reducer reducer);   // the next backward pass makes the gradients final
GRAFT_API int32_t graft_reducer_finish(graft_reducer reducer);  // waits; every gradient is then the sum, of one that no process has zeros

#ifdef __cplusplus
}
#endif
