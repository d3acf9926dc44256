#include "reader/stream.h"

#include "src/core/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Items go round a ring: free -> filled by the worker -> taken by the caller -> free. */
struct nl_stream {
    const struct nl_stream_job *jobs;
    int n_jobs, job; /* job: the worker's own */
    const struct nl_view_spec *spec;
    struct nl_stream_item *items;
    int depth, filled, next_in, next_out, taken;
    bool done, running;
    atomic_bool cancelled;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t worker;
};

/* Asked between packets, so that a close need not wait for the end of a long video. */
static bool is_cancelled(const void *user)
{
    const struct nl_stream *s = user;
    return atomic_load(&s->cancelled);
}

/* The next free item; NULL once the stream is cancelled. */
static struct nl_stream_item *free_item(struct nl_stream *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->cancelled && s->filled + s->taken == s->depth)
        pthread_cond_wait(&s->changed, &s->lock);
    const bool cancelled = s->cancelled;
    pthread_mutex_unlock(&s->lock);
    return cancelled ? NULL : &s->items[s->next_in];
}

static void hand_over(struct nl_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->next_in = (s->next_in + 1) % s->depth;
    s->filled++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static nl_status take_view(void *user, const struct nl_view *view)
{
    struct nl_stream *s = user;
    struct nl_stream_item *item = free_item(s);
    if (!item) return NL_EINTR;
    item->kind = view ? NL_ITEM_VIEW : NL_ITEM_RESTART;
    item->job = s->job;
    if (view) {
        item->temporal = view->temporal;
        item->spatial = view->spatial;
        item->weight = view->weight;
        NL_TRY(nl_view_write(view, item->clip));
    }
    hand_over(s);
    return NL_OK;
}

static void end_video(struct nl_stream *s, nl_status status, const struct nl_video_info *info)
{
    struct nl_stream_item *item = free_item(s);
    if (!item) return;
    item->kind = NL_ITEM_END;
    item->job = s->job;
    item->status = status;
    item->info = *info;
    snprintf(item->message, sizeof item->message, "%s", status == NL_OK ? "" : nl_error());
    hand_over(s);
}

static void *work(void *user)
{
    struct nl_stream *s = user;
    const struct nl_video_limits limits = {.stop = is_cancelled, .stop_user = s};
    for (s->job = 0; s->job < s->n_jobs; s->job++) {
        struct nl_video_info info = {.frames = 0};
        const struct nl_stream_job *job = &s->jobs[s->job];
        const nl_status st = nl_views_read_within(&limits, job->path, s->spec, job->requests,
                                                  job->n_requests, take_view, s, &info);
        if (is_cancelled(s)) break;
        end_video(s, st, &info);
    }
    pthread_mutex_lock(&s->lock);
    s->done = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static nl_status make_items(struct nl_stream *s)
{
    const size_t floats =
        (size_t)s->spec->length * (size_t)s->spec->crop * (size_t)s->spec->crop * 3;
    NL_TRY(nl_calloc((size_t)s->depth, sizeof *s->items, &s->items));
    for (int i = 0; i < s->depth; i++) NL_TRY(nl_alloc(floats * sizeof(float), &s->items[i].clip));
    return NL_OK;
}

nl_status nl_stream_open(const struct nl_stream_job *jobs, int n_jobs,
                         const struct nl_view_spec *spec, int depth, struct nl_stream **out)
{
    struct nl_stream *s = NULL;
    *out = NULL;
    NL_TRY(nl_calloc(1, sizeof *s, &s));
    s->jobs = jobs;
    s->n_jobs = n_jobs;
    s->spec = spec;
    s->depth = depth;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    nl_status st = make_items(s);
    if (st == NL_OK) {
        s->running = pthread_create(&s->worker, NULL, work, s) == 0;
        if (!s->running) st = nl_fail(NL_ENOMEM, "no thread for decoding");
    }
    if (st == NL_OK)
        *out = s;
    else
        nl_stream_close(s);
    return st;
}

struct nl_stream_item *nl_stream_next(struct nl_stream *s)
{
    struct nl_stream_item *item = NULL;
    pthread_mutex_lock(&s->lock);
    while (!s->done && s->filled == 0) pthread_cond_wait(&s->changed, &s->lock);
    if (s->filled > 0) {
        item = &s->items[s->next_out];
        s->next_out = (s->next_out + 1) % s->depth;
        s->filled--;
        s->taken++;
    }
    pthread_mutex_unlock(&s->lock);
    return item;
}

void nl_stream_release(struct nl_stream *s, struct nl_stream_item *item)
{
    (void)item; /* the caller gives items back in the order it took them */
    pthread_mutex_lock(&s->lock);
    s->taken--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void nl_stream_close(struct nl_stream *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->cancelled = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->running) pthread_join(s->worker, NULL);
    for (int i = 0; s->items && i < s->depth; i++) nl_free(s->items[i].clip);
    nl_free(s->items);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    nl_free(s);
}
