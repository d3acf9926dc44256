#include "reader/loader.h"

#include "src/core/memory.h"
#include "src/core/rng.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

enum { TRIES = 100 }; /* other samples that are looked at in place of one */

/* Where one batch is put together. Slots go round: free -> filled by workers -> the caller's. */
struct slot {
    struct nl_batch batch;     /* first: the caller's pointer is the slot's */
    struct nl_bad_sample *bad; /* by place in the batch; message NULL where all was well */
    nl_status *status;         /* by place in the batch: of what cannot be mended */
    char **message;
    int done;
};

/* Clips are numbered through the epoch; a worker takes the next one, into slot (batch mod depth).
 * `lock` guards next_clip, released and the slots' done. A clip's own places in a slot belong to its
 * worker until it is counted as done. */
struct nl_loader {
    struct nl_loader_job job;
    int64_t *order;
    int64_t batches, clips;  /* of the epoch, to be given */
    int64_t next_clip;       /* the first that no worker has */
    int64_t given, released; /* batches: the next of each kind */
    struct slot *slots;
    struct nl_bad_sample *bad;
    int64_t n_bad, bad_room;
    double waited;
    nl_status status; /* that nl_loader_next ended with */
    char message[1024];

    pthread_mutex_t lock;
    pthread_cond_t room, ready;
    pthread_t *threads;
    int n_threads;
    atomic_bool cancelled;
};

/* --- workers --------------------------------------------------------------------------------- */

static bool is_cancelled(const void *user)
{
    const struct nl_loader *l = user;
    return atomic_load(&l->cancelled);
}

/* Reads the clip that shows `*sample`, or one in its place. What could not be read, and why, goes
 * to `bad`. */
static nl_status read_sample(struct nl_loader *l, struct nl_clip_reader *reader, int64_t *sample,
                             float *clip, struct nl_bad_sample *bad)
{
    const struct nl_clip_key key = {l->job.seed, l->job.epoch, *sample};
    struct nl_rng rng;
    char name[64];
    nl_status st = nl_train_clip(reader, l->job.samples[*sample].path, &key, clip);
    if (st != NL_EIO) return st;
    *bad = (struct nl_bad_sample){.sample = *sample, .path = l->job.samples[*sample].path};
    NL_TRY(nl_copy_text(nl_error(), &bad->message));
    snprintf(name, sizeof name, "replace/%" PRId64 "/%" PRId64, key.epoch, key.sample);
    nl_rng_seed(&rng, l->job.seed, name);
    for (int i = 0; i < TRIES && st == NL_EIO && !is_cancelled(l); i++) {
        *sample = nl_rng_range(&rng, 0, l->job.count - 1);
        if (*sample != key.sample)
            st = nl_train_clip(reader, l->job.samples[*sample].path, &key, clip);
    }
    if (st == NL_EIO)
        return nl_fail(NL_EIO, "no sample could be read in place of this one: %s", bad->message);
    return st;
}

static struct slot *slot_of(const struct nl_loader *l, int64_t batch)
{
    return &l->slots[batch % l->job.depth];
}

static void read_clip(struct nl_loader *l, struct nl_clip_reader *reader, int64_t number)
{
    struct slot *slot = slot_of(l, number / l->job.batch);
    const int at = (int)(number % l->job.batch);
    float *clip = slot->batch.clips + nl_train_clip_floats(&l->job.spec) * (size_t)at;
    int64_t sample = l->order[number];
    nl_status st = read_sample(l, reader, &sample, clip, &slot->bad[at]);
    slot->batch.samples[at] = sample;
    slot->batch.labels[at] = l->job.samples[sample].label;
    if (st != NL_OK && nl_copy_text(nl_error(), &slot->message[at]) != NL_OK) st = NL_ENOMEM;
    slot->status[at] = st;
}

static int clips_of(const struct nl_loader *l, int64_t batch)
{
    const int64_t left = l->clips - batch * l->job.batch;
    return left < l->job.batch ? (int)left : l->job.batch;
}

/* The next clip to read, once there is a slot for it; -1 if there is none any more. */
static int64_t take_clip(struct nl_loader *l)
{
    int64_t clip = -1;
    pthread_mutex_lock(&l->lock);
    while (!is_cancelled(l) && l->next_clip < l->clips &&
           l->next_clip / l->job.batch >= l->released + l->job.depth)
        pthread_cond_wait(&l->room, &l->lock);
    if (!is_cancelled(l) && l->next_clip < l->clips) clip = l->next_clip++;
    pthread_mutex_unlock(&l->lock);
    return clip;
}

static void count_clip(struct nl_loader *l, int64_t clip)
{
    const int64_t batch = clip / l->job.batch;
    pthread_mutex_lock(&l->lock);
    if (++slot_of(l, batch)->done == clips_of(l, batch)) pthread_cond_signal(&l->ready);
    pthread_mutex_unlock(&l->lock);
}

struct start {
    struct nl_loader *loader;
    struct nl_clip_reader *reader;
};

static void *work(void *user)
{
    struct start *start = user;
    struct nl_loader *l = start->loader;
    for (int64_t clip = take_clip(l); clip >= 0; clip = take_clip(l)) {
        read_clip(l, start->reader, clip);
        count_clip(l, clip);
    }
    nl_clip_reader_free(start->reader);
    nl_free(start);
    return NULL;
}

/* --- opening --------------------------------------------------------------------------------- */

static nl_status check_job(const struct nl_loader_job *job)
{
    enum { MOST = 1 << 16 };
    NL_TRY(nl_train_spec_check(&job->spec));
    NL_REQUIRE(job->count > 0, NL_EUSAGE, "loader: the list of samples is empty");
    NL_REQUIRE(job->batch > 0 && job->batch <= MOST, NL_EUSAGE,
               "loader: want batches of 1 to %d clips, got %d", MOST, job->batch);
    NL_REQUIRE(job->threads > 0 && job->threads <= 1024, NL_EUSAGE,
               "loader: want 1 to 1024 threads, got %d", job->threads);
    NL_REQUIRE(job->depth > 0 && job->depth <= MOST, NL_EUSAGE,
               "loader: want room for 1 to %d batches, got %d", MOST, job->depth);
    NL_REQUIRE(job->epoch >= 0 && job->first_batch >= 0, NL_EUSAGE,
               "loader: want an epoch and a first batch from 0 on, got %" PRId64 " and %" PRId64,
               job->epoch, job->first_batch);
    NL_REQUIRE(job->max_bad >= 0 && job->max_bad <= 1, NL_EUSAGE,
               "loader: want a share of unreadable samples from 0 to 1, got %g", job->max_bad);
    NL_REQUIRE(!job->drop_last || job->count >= job->batch, NL_EUSAGE,
               "loader: %" PRId64 " samples do not fill one batch of %d", job->count, job->batch);
    return NL_OK;
}

static nl_status make_order(struct nl_loader *l)
{
    struct nl_rng rng;
    char name[64];
    NL_TRY(nl_calloc((size_t)l->job.count, sizeof *l->order, &l->order));
    for (int64_t i = 0; i < l->job.count; i++) l->order[i] = i;
    if (!l->job.shuffle) return NL_OK;
    snprintf(name, sizeof name, "order/%" PRId64, l->job.epoch);
    nl_rng_seed(&rng, l->job.seed, name);
    for (int64_t i = l->job.count - 1; i > 0; i--) {
        const int64_t j = nl_rng_range(&rng, 0, i), keep = l->order[i];
        l->order[i] = l->order[j];
        l->order[j] = keep;
    }
    return NL_OK;
}

static nl_status make_slots(struct nl_loader *l)
{
    const size_t batch = (size_t)l->job.batch;
    size_t bytes;
    NL_TRY(nl_size_mul(nl_train_clip_floats(&l->job.spec), batch * sizeof(float), &bytes));
    NL_TRY(nl_calloc((size_t)l->job.depth, sizeof *l->slots, &l->slots));
    for (int i = 0; i < l->job.depth; i++) {
        struct slot *slot = &l->slots[i];
        NL_TRY(nl_alloc(bytes, &slot->batch.clips));
        NL_TRY(nl_calloc(batch, sizeof *slot->batch.labels, &slot->batch.labels));
        NL_TRY(nl_calloc(batch, sizeof *slot->batch.samples, &slot->batch.samples));
        NL_TRY(nl_calloc(batch, sizeof *slot->bad, &slot->bad));
        NL_TRY(nl_calloc(batch, sizeof *slot->status, &slot->status));
        NL_TRY(nl_calloc(batch, sizeof *slot->message, &slot->message));
    }
    return NL_OK;
}

static nl_status start_worker(struct nl_loader *l)
{
    const struct nl_video_limits limits = {.stop = is_cancelled, .stop_user = l};
    struct start *start;
    NL_TRY(nl_calloc(1, sizeof *start, &start));
    start->loader = l;
    nl_status st = nl_clip_reader_new(&l->job.spec, &limits, &start->reader);
    if (st == NL_OK && pthread_create(&l->threads[l->n_threads], NULL, work, start) != 0)
        st = nl_fail(NL_ENOMEM, "no thread for decoding");
    if (st == NL_OK) {
        l->n_threads++;
    } else {
        nl_clip_reader_free(start->reader);
        nl_free(start);
    }
    return st;
}

static nl_status open_loader(struct nl_loader *l)
{
    const struct nl_loader_job *job = &l->job;
    l->batches = job->drop_last ? job->count / job->batch : (job->count - 1) / job->batch + 1;
    l->clips = job->drop_last ? l->batches * job->batch : job->count;
    l->given = l->released = job->first_batch < l->batches ? job->first_batch : l->batches;
    l->next_clip = l->given * job->batch;
    const int64_t to_give = l->batches - l->given;
    if (to_give < job->depth) l->job.depth = to_give ? (int)to_give : 1;
    NL_TRY(make_order(l));
    NL_TRY(make_slots(l));
    NL_TRY(nl_calloc((size_t)job->threads, sizeof *l->threads, &l->threads));
    for (int i = 0; i < job->threads; i++) NL_TRY(start_worker(l));
    return NL_OK;
}

nl_status nl_loader_open(const struct nl_loader_job *job, struct nl_loader **out)
{
    struct nl_loader *l;
    *out = NULL;
    NL_TRY(check_job(job));
    NL_TRY(nl_calloc(1, sizeof *l, &l));
    l->job = *job;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->room, NULL);
    pthread_cond_init(&l->ready, NULL);
    const nl_status st = open_loader(l);
    if (st == NL_OK) *out = l;
    if (st != NL_OK) nl_loader_close(l);
    return st;
}

/* --- the caller's side ----------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void wait_for(struct nl_loader *l, struct slot *slot, int count)
{
    const double start = seconds();
    pthread_mutex_lock(&l->lock);
    while (slot->done < count) pthread_cond_wait(&l->ready, &l->lock);
    pthread_mutex_unlock(&l->lock);
    l->waited += seconds() - start;
}

/* Moves one clip's trouble to the loader's list. */
static nl_status note_bad(struct nl_loader *l, struct nl_bad_sample *bad)
{
    if (!bad->message) return NL_OK;
    if (l->n_bad == l->bad_room) {
        const int64_t room = l->bad_room ? 2 * l->bad_room : 16;
        NL_TRY(nl_resize(&l->bad, (size_t)room, sizeof *l->bad));
        l->bad_room = room;
    }
    l->bad[l->n_bad++] = *bad;
    bad->message = NULL;
    return NL_OK;
}

static nl_status look_at_batch(struct nl_loader *l, struct slot *slot)
{
    for (int i = 0; i < slot->batch.count; i++) {
        NL_TRY(note_bad(l, &slot->bad[i]));
        if (slot->status[i] != NL_OK)
            return nl_fail(slot->status[i], "%s",
                           slot->message[i] ? slot->message[i] : "out of memory");
    }
    if ((double)l->n_bad <= l->job.max_bad * (double)l->clips) return NL_OK;
    return nl_fail(NL_EIO,
                   "%" PRId64 " of %" PRId64 " samples could not be read, more than the share of "
                   "%g that is allowed; the last: %s",
                   l->n_bad, l->clips, l->job.max_bad, l->bad[l->n_bad - 1].message);
}

nl_status nl_loader_next(struct nl_loader *l, struct nl_batch **batch)
{
    *batch = NULL;
    NL_REQUIRE(l->status == NL_OK, l->status, "%s", l->message);
    if (l->given == l->batches) return NL_OK;
    NL_REQUIRE(l->given < l->released + l->job.depth, NL_EINVAL,
               "loader: all %d batches are out; release one first", l->job.depth);
    struct slot *slot = slot_of(l, l->given);
    slot->batch.index = l->given;
    slot->batch.count = clips_of(l, l->given);
    wait_for(l, slot, slot->batch.count);
    l->status = look_at_batch(l, slot);
    if (l->status != NL_OK) snprintf(l->message, sizeof l->message, "%s", nl_error());
    if (l->status != NL_OK) return l->status;
    l->given++;
    *batch = &slot->batch;
    return NL_OK;
}

void nl_loader_release(struct nl_loader *l, struct nl_batch *batch)
{
    struct slot *slot = slot_of(l, batch->index);
    pthread_mutex_lock(&l->lock);
    slot->done = 0;
    l->released++;
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
}

int64_t nl_loader_batches(const struct nl_loader *l)
{
    return l->batches;
}

void nl_loader_stats(const struct nl_loader *l, struct nl_loader_stats *stats)
{
    *stats = (struct nl_loader_stats){.waited = l->waited, .n_bad = l->n_bad, .bad = l->bad};
    stats->batches = l->given - (l->job.first_batch < l->batches ? l->job.first_batch : l->batches);
}

static void clear_slot(struct slot *slot, int batch)
{
    for (int i = 0; i < batch; i++) {
        if (slot->bad) nl_free(slot->bad[i].message);
        if (slot->message) nl_free(slot->message[i]);
    }
    nl_free(slot->batch.clips);
    nl_free(slot->batch.labels);
    nl_free(slot->batch.samples);
    nl_free(slot->bad);
    nl_free(slot->status);
    nl_free(slot->message);
}

void nl_loader_close(struct nl_loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    atomic_store(&l->cancelled, true);
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_threads; i++) pthread_join(l->threads[i], NULL);
    for (int i = 0; l->slots && i < l->job.depth; i++) clear_slot(&l->slots[i], l->job.batch);
    for (int64_t i = 0; i < l->n_bad; i++) nl_free(l->bad[i].message);
    nl_free(l->bad);
    nl_free(l->slots);
    nl_free(l->order);
    nl_free(l->threads);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->room);
    pthread_cond_destroy(&l->ready);
    nl_free(l);
}
