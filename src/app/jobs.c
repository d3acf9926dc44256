#include "src/app/jobs.h"

#include "src/core/memory.h"

#include <string.h>

static nl_status fill(struct nl_stream_job *job, const struct nl_input *input)
{
    struct nl_view_request *requests = NULL;
    *job = (struct nl_stream_job){.path = input->path, .n_requests = input->n_views};
    if (!input->views) return NL_OK;
    NL_TRY(nl_calloc((size_t)input->n_views, sizeof *requests, &requests));
    for (int k = 0; k < input->n_views; k++)
        requests[k] = (struct nl_view_request){input->views[k].temporal, input->views[k].spatial};
    job->requests = requests;
    return NL_OK;
}

nl_status nl_jobs_new(const struct nl_inputs *inputs, int first, struct nl_stream_job **jobs)
{
    NL_TRY(nl_calloc((size_t)(inputs->count - first) + 1, sizeof **jobs, jobs));
    for (int i = first; i < inputs->count; i++) NL_TRY(fill(&(*jobs)[i - first], &inputs->list[i]));
    return NL_OK;
}

void nl_jobs_free(struct nl_stream_job *jobs)
{
    for (int i = 0; jobs && jobs[i].path; i++) {
        void *requests;
        memcpy(&requests, &jobs[i].requests, sizeof requests); /* ours, const for the reader */
        nl_free(requests);
    }
    nl_free(jobs);
}
