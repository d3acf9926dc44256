#include "backends/onednn/dnnl.h"

#include <assert.h>
#include <omp.h>

nl_status nl_dnnl_status(dnnl_status_t status, const char *what)
{
    switch (status) {
    case dnnl_success:
        return NL_OK;
    case dnnl_out_of_memory:
        return nl_fail(NL_ENOMEM, "oneDNN: out of memory for %s", what);
    case dnnl_unimplemented:
        return nl_fail(NL_ENOSUP, "oneDNN has no %s of this shape", what);
    default:
        return nl_fail(NL_EDEV, "oneDNN: %s failed with status %d", what, (int)status);
    }
}

int nl_dnnl_set_threads(int threads)
{
    const int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    return before;
}

size_t nl_dnnl_bytes(const_dnnl_primitive_desc_t desc, int arg)
{
    return dnnl_memory_desc_get_size(
        dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, arg));
}

bool nl_dnnl_same_layout(const_dnnl_primitive_desc_t one, const_dnnl_primitive_desc_t other,
                         int arg)
{
    return dnnl_memory_desc_equal(dnnl_primitive_desc_query_md(one, dnnl_query_exec_arg_md, arg),
                                  dnnl_primitive_desc_query_md(other, dnnl_query_exec_arg_md, arg));
}

const char *nl_dnnl_name(const_dnnl_primitive_desc_t desc)
{
    const char *name = "";
    return dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name) ==
                   dnnl_success
               ? name
               : "";
}

nl_status nl_dnnl_call_init(const struct nl_dnnl *dnnl, const_dnnl_primitive_desc_t desc,
                            const int *args, struct nl_dnnl_call *call)
{
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t made = dnnl_primitive_create(&call->primitive, desc);
    if (made == dnnl_success)
        made = dnnl_stream_create(&call->stream, dnnl->engine, dnnl_stream_default_flags);
    nl_dnnl_set_threads(before);
    NL_TRY(nl_dnnl_status(made, "primitive"));
    call->threads = dnnl->threads;
    for (; *args; args++, call->n++) {
        assert(call->n < NL_DNNL_ARGS);
        dnnl_exec_arg_t *const arg = &call->arg[call->n];
        arg->arg = *args;
        NL_TRY(nl_dnnl_status(
            dnnl_memory_create(&arg->memory,
                               dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, *args),
                               dnnl->engine, DNNL_MEMORY_NONE),
            "an argument"));
    }
    return NL_OK;
}

void nl_dnnl_call_clear(struct nl_dnnl_call *call)
{
    for (int i = 0; i < call->n; i++) dnnl_memory_destroy(call->arg[i].memory);
    if (call->primitive) dnnl_primitive_destroy(call->primitive);
    if (call->stream) dnnl_stream_destroy(call->stream);
    *call = (struct nl_dnnl_call){.n = 0};
}

/* An unchanged address is left alone: version 2 clears the padding of filters at each change. */
nl_status nl_dnnl_call_set(const struct nl_dnnl_call *call, int arg, const void *data)
{
    int i = 0;
    while (i < call->n && call->arg[i].arg != arg) i++;
    assert(i < call->n);
    void *now = NULL;
    union {
        const void *from;
        void *to; /* the library has one type for what it reads and what it writes */
    } address = {.from = data};
    NL_TRY(nl_dnnl_status(dnnl_memory_get_data_handle(call->arg[i].memory, &now), "an argument"));
    if (now == address.to) return NL_OK;
    return nl_dnnl_status(dnnl_memory_set_data_handle(call->arg[i].memory, address.to),
                          "an argument");
}

nl_status nl_dnnl_call_run(const struct nl_dnnl_call *call)
{
    const int before = nl_dnnl_set_threads(call->threads);
    dnnl_status_t st = dnnl_primitive_execute(call->primitive, call->stream, call->n, call->arg);
    if (st == dnnl_success) st = dnnl_stream_wait(call->stream);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "a run");
}
