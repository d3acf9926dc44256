#include "reader/loader.h"
#include "src/core/memory.h"
#include "src/tensor/npy.h"
struct nl_loader { struct nl_loader_job job; int64_t next; struct nl_batch batch; };
nl_status nl_loader_open(const struct nl_loader_job *job, struct nl_loader **out)
{
    NL_TRY(nl_calloc(1, sizeof **out, out));
    (*out)->job = *job;
    (*out)->next = job->first_batch;
    NL_TRY(nl_calloc((size_t)job->batch*(size_t)job->spec.length*(size_t)job->spec.crop*(size_t)job->spec.crop*3, 4, &(*out)->batch.clips));
    return nl_calloc((size_t)job->batch, 8, &(*out)->batch.labels);
}
nl_status nl_loader_next(struct nl_loader *l, struct nl_batch **batch)
{
    *batch = NULL;
    if ((l->next + 1) * l->job.batch > l->job.n_samples) return NL_OK;
    const int64_t pixels = (int64_t)l->job.spec.length * l->job.spec.crop * l->job.spec.crop;
    for (int i = 0; i < l->job.batch; i++) {
        const struct nl_sample *s = &l->job.samples[l->next * l->job.batch + i];
        struct nl_npy npy;
        NL_TRY(nl_npy_read(s->path, &npy));
        for (int64_t p = 0; p < pixels; p++) for (int c = 0; c < 3; c++)
            l->batch.clips[(i * pixels + p) * 3 + c] = ((const float *)npy.data)[c * pixels + p];
        l->batch.labels[i] = s->label;
        nl_npy_clear(&npy);
    }
    l->next++;
    l->batch.count = l->job.batch;
    *batch = &l->batch;
    return NL_OK;
}
void nl_loader_release(struct nl_loader *l, struct nl_batch *batch) { (void)l; (void)batch; }
void nl_loader_close(struct nl_loader *l) { if (!l) return; nl_free(l->batch.clips); nl_free(l->batch.labels); nl_free(l); }
