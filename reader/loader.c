#include "reader/loader.h"

#include "src/core/memory.h"
#include "src/core/rng.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { ATTEMPTS = 16 }; /* replacements of one broken video */

/* What became of one clip. */
struct outcome {
    nl_status status;
    char *message; /* why the sample was replaced, or could not be; NULL: it was read */
};

/* Slots go round a ring: batch b is made in slot b mod depth once the batch before it there was
 * released. */
struct slot {
    struct nl_batch batch;
    struct outcome *outcomes; /* [batch] */
    int64_t number;           /* batch of the epoch */
    int missing;              /* clips not made yet */
};

struct nl_loader {
    struct nl_loader_job job;
    int64_t *order; /* [n_samples] */
    int64_t n_batches;
    struct slot *slots;
    int64_t ticket; /* the next clip to make, counted from the epoch's first */
    int64_t next;   /* the next batch to give out */
    int64_t released;
    char **bad;
    int64_t n_bad, bad_room;
    pthread_t *threads;
    int n_threads;
    atomic_bool cancelled;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static bool is_cancelled(const void *user)
{
    const struct nl_loader *l = user;
    return atomic_load(&l->cancelled);
}

/* --- one clip -------------------------------------------------------------------------------- */

/* The sample that stands in for `sample` at the given attempt. */
static int64_t stand_in(const struct nl_loader *l, int64_t sample, int attempt)
{
    char name[96];
    struct nl_rng rng;
    snprintf(name, sizeof name, "replace/%" PRId64 "/%" PRId64 "/%d", l->job.epoch, sample,
             attempt);
    nl_rng_seed(&rng, l->job.seed, name);
    return nl_rng_range(&rng, 0, l->job.n_samples - 1);
}

static nl_status read_sample(const struct nl_loader *l, int64_t sample, float *clip)
{
    const struct nl_video_limits limits = {.stop = is_cancelled, .stop_user = l};
    const struct nl_clip_draw draw = nl_clip_draw(l->job.seed, l->job.epoch, sample);
    return nl_clip_read(l->job.samples[sample].path, &limits, &l->job.spec, &draw, clip);
}

static void make_clip(const struct nl_loader *l, struct slot *slot, int i)
{
    const int64_t first = l->order[slot->number * l->job.batch + i];
    const struct nl_clip_spec *spec = &l->job.spec;
    struct outcome *outcome = &slot->outcomes[i];
    float *clip = slot->batch.clips +
                  (size_t)i * (size_t)spec->length * (size_t)spec->crop * (size_t)spec->crop * 3;
    int64_t sample = first;
    outcome->status = read_sample(l, sample, clip);
    if (outcome->status == NL_EIO && nl_copy_text(nl_error(), &outcome->message) != NL_OK)
        outcome->status = NL_ENOMEM;
    for (int attempt = 0; outcome->status == NL_EIO && attempt < ATTEMPTS; attempt++) {
        sample = stand_in(l, first, attempt);
        outcome->status = read_sample(l, sample, clip);
    }
    if (outcome->status != NL_OK && !outcome->message)
        (void)!nl_copy_text(nl_error(), &outcome->message);
    slot->batch.samples[i] = sample;
    slot->batch.labels[i] = l->job.samples[sample].label;
}

/* --- threads --------------------------------------------------------------------------------- */

static int count_of(const struct nl_loader *l, int64_t number)
{
    const int64_t left = l->job.n_samples - number * l->job.batch;
    return left < l->job.batch ? (int)left : l->job.batch;
}

static struct slot *slot_of(struct nl_loader *l, int64_t number)
{
    return &l->slots[number % l->job.depth];
}

/* Takes the next clip; NULL when there is none, or the loader closes. Called with the lock held. */
static struct slot *take_ticket(struct nl_loader *l, int *i)
{
    for (;;) {
        const int64_t number = l->ticket / l->job.batch;
        if (is_cancelled(l) || number >= l->n_batches) return NULL;
        if (number < l->released + l->job.depth) {
            struct slot *slot = slot_of(l, number);
            *i = (int)(l->ticket % l->job.batch);
            if (*i == 0) {
                slot->number = number;
                slot->missing = slot->batch.count = count_of(l, number);
            }
            l->ticket = *i + 1 < slot->batch.count ? l->ticket + 1 : (number + 1) * l->job.batch;
            return slot;
        }
        pthread_cond_wait(&l->changed, &l->lock);
    }
}

static void *work(void *user)
{
    struct nl_loader *l = user;
    struct slot *slot;
    int i = 0;
    pthread_mutex_lock(&l->lock);
    while ((slot = take_ticket(l, &i))) {
        pthread_mutex_unlock(&l->lock);
        make_clip(l, slot, i);
        pthread_mutex_lock(&l->lock);
        if (--slot->missing == 0) pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* --- opening and closing --------------------------------------------------------------------- */

/* Fisher and Yates's shuffle. */
static nl_status make_order(struct nl_loader *l)
{
    char name[64];
    struct nl_rng rng;
    NL_TRY(nl_calloc((size_t)l->job.n_samples, sizeof *l->order, &l->order));
    for (int64_t i = 0; i < l->job.n_samples; i++) l->order[i] = i;
    if (!l->job.shuffle) return NL_OK;
    snprintf(name, sizeof name, "order/%" PRId64, l->job.epoch);
    nl_rng_seed(&rng, l->job.seed, name);
    for (int64_t i = l->job.n_samples - 1; i > 0; i--) {
        const int64_t k = nl_rng_range(&rng, 0, i), was = l->order[i];
        l->order[i] = l->order[k];
        l->order[k] = was;
    }
    return NL_OK;
}

static nl_status make_slots(struct nl_loader *l)
{
    const struct nl_clip_spec *spec = &l->job.spec;
    const size_t batch = (size_t)l->job.batch;
    size_t floats;
    NL_TRY(nl_size_mul((size_t)spec->crop * (size_t)spec->crop * 3, (size_t)spec->length, &floats));
    NL_TRY(nl_size_mul(floats, batch, &floats));
    NL_TRY(nl_calloc((size_t)l->job.depth, sizeof *l->slots, &l->slots));
    for (int i = 0; i < l->job.depth; i++) {
        struct slot *slot = &l->slots[i];
        slot->number = -1;
        NL_TRY(nl_calloc(floats, sizeof(float), &slot->batch.clips));
        NL_TRY(nl_calloc(batch, sizeof *slot->batch.labels, &slot->batch.labels));
        NL_TRY(nl_calloc(batch, sizeof *slot->batch.samples, &slot->batch.samples));
        NL_TRY(nl_calloc(batch, sizeof *slot->outcomes, &slot->outcomes));
    }
    return NL_OK;
}

static nl_status start_threads(struct nl_loader *l)
{
    NL_TRY(nl_calloc((size_t)l->job.threads, sizeof *l->threads, &l->threads));
    for (; l->n_threads < l->job.threads; l->n_threads++)
        NL_REQUIRE(pthread_create(&l->threads[l->n_threads], NULL, work, l) == 0, NL_ENOMEM,
                   "no decoding thread could be started");
    return NL_OK;
}

nl_status nl_loader_open(const struct nl_loader_job *job, struct nl_loader **out)
{
    struct nl_loader *l = NULL;
    *out = NULL;
    NL_REQUIRE(job->batch > 0 && job->depth > 0 && job->threads > 0 && job->n_samples > 0,
               NL_EUSAGE, "a loader wants samples, a batch, a depth and threads of at least 1");
    NL_TRY(nl_calloc(1, sizeof *l, &l));
    l->job = *job;
    l->n_batches = (job->n_samples + job->batch - 1) / job->batch;
    if (job->end_batch && job->end_batch < l->n_batches) l->n_batches = job->end_batch;
    l->next = l->released = job->first_batch;
    l->ticket = job->first_batch * job->batch;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    nl_status st = make_order(l);
    if (st == NL_OK) st = make_slots(l);
    if (st == NL_OK) st = start_threads(l);
    if (st == NL_OK)
        *out = l;
    else
        nl_loader_close(l);
    return st;
}

static void clear_outcomes(struct nl_loader *l, struct slot *slot)
{
    for (int i = 0; slot->outcomes && i < l->job.batch; i++) {
        nl_free(slot->outcomes[i].message);
        slot->outcomes[i] = (struct outcome){.status = NL_OK};
    }
}

void nl_loader_close(struct nl_loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    atomic_store(&l->cancelled, true);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_threads; i++) pthread_join(l->threads[i], NULL);
    for (int i = 0; l->slots && i < l->job.depth; i++) {
        clear_outcomes(l, &l->slots[i]);
        nl_free(l->slots[i].batch.clips);
        nl_free(l->slots[i].batch.labels);
        nl_free(l->slots[i].batch.samples);
        nl_free(l->slots[i].outcomes);
    }
    for (int64_t i = 0; i < l->n_bad; i++) nl_free(l->bad[i]);
    nl_free(l->bad);
    nl_free(l->slots);
    nl_free(l->order);
    nl_free(l->threads);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    nl_free(l);
}

/* --- giving out ------------------------------------------------------------------------------ */

/* Takes the message over. */
static nl_status note_bad(struct nl_loader *l, char **message)
{
    if (l->n_bad == l->bad_room) {
        const int64_t room = l->bad_room ? 2 * l->bad_room : 16;
        NL_TRY(nl_resize(&l->bad, (size_t)room, sizeof *l->bad));
        l->bad_room = room;
    }
    l->bad[l->n_bad++] = *message;
    *message = NULL;
    return NL_OK;
}

static nl_status look_at(struct nl_loader *l, struct slot *slot)
{
    for (int i = 0; i < slot->batch.count; i++) {
        struct outcome *outcome = &slot->outcomes[i];
        if (outcome->status != NL_OK)
            return nl_fail(outcome->status, "%s", outcome->message ? outcome->message : "reading");
        if (!outcome->message) continue;
        NL_TRY(note_bad(l, &outcome->message));
        NL_REQUIRE((double)l->n_bad <= l->job.max_bad * (double)l->job.n_samples, NL_EIO,
                   "%" PRId64 " of %" PRId64
                   " videos are broken, more than TRAIN.max_bad_videos allows; the last: %s",
                   l->n_bad, l->job.n_samples, l->bad[l->n_bad - 1]);
    }
    return NL_OK;
}

nl_status nl_loader_next(struct nl_loader *l, struct nl_batch **batch)
{
    *batch = NULL;
    if (l->next >= l->n_batches) return NL_OK;
    struct slot *slot = slot_of(l, l->next);
    pthread_mutex_lock(&l->lock);
    while (slot->number != l->next || slot->missing) pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
    NL_TRY(look_at(l, slot));
    l->next++;
    *batch = &slot->batch;
    return NL_OK;
}

/* Batches come back in the order that they were given out. */
void nl_loader_release(struct nl_loader *l, struct nl_batch *batch)
{
    (void)batch;
    pthread_mutex_lock(&l->lock);
    clear_outcomes(l, slot_of(l, l->released));
    l->released++;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

int64_t nl_loader_bad(const struct nl_loader *l)
{
    return l->n_bad;
}

const char *nl_loader_bad_message(const struct nl_loader *l, int64_t i)
{
    return l->bad[i];
}
