#include "src/app/crew.h"

#include "src/app/signals.h"
#include "src/core/memory.h"

#include <pthread.h>
#include <stdio.h>

struct crew {
    const struct nl_crew_task *task;
    int next;      /* the first item not begun */
    int *finished; /* those that are, in order of their ends */
    int n_finished, running;
    nl_status status; /* other than NL_OK: no item is begun any more */
    char message[1024];
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* The next item, or -1. */
static int take(struct crew *c)
{
    if (c->status == NL_OK && nl_interrupted()) c->status = NL_EINTR;
    return c->status == NL_OK && c->next < c->task->items ? c->next++ : -1;
}

static void note_end(struct crew *c, int item, nl_status status)
{
    if (status == NL_OK) {
        c->finished[c->n_finished++] = item;
    } else if (c->status == NL_OK) {
        c->status = status;
        snprintf(c->message, sizeof c->message, "%s", nl_error());
    }
    pthread_cond_signal(&c->changed);
}

static void *work(void *user)
{
    struct crew *c = user;
    int item;
    pthread_mutex_lock(&c->lock);
    while ((item = take(c)) >= 0) {
        pthread_mutex_unlock(&c->lock);
        const nl_status st = c->task->work(c->task->user, item);
        pthread_mutex_lock(&c->lock);
        note_end(c, item, st);
    }
    c->running--;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void report(const struct nl_crew_task *task, int done, int item)
{
    if (task->finished) task->finished(task->user, item);
    if (task->progress) nl_progress_show(task->progress, done, "");
}

/* Reports items as they end, until all threads have. */
static void watch(struct crew *c)
{
    int reported = 0;
    pthread_mutex_lock(&c->lock);
    while (c->running > 0 || reported < c->n_finished) {
        if (reported == c->n_finished) {
            pthread_cond_wait(&c->changed, &c->lock);
            continue;
        }
        const int item = c->finished[reported++];
        pthread_mutex_unlock(&c->lock);
        report(c->task, reported, item);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    if (c->task->progress) nl_progress_hide(c->task->progress);
}

/* Fewer threads than asked for are enough, none is not. */
static int start(struct crew *c, pthread_t *threads)
{
    int n = 0;
    pthread_mutex_lock(&c->lock);
    while (n < c->task->threads && pthread_create(&threads[n], NULL, work, c) == 0) n++;
    c->running = n;
    if (n == 0) c->status = nl_fail(NL_ENOMEM, "no thread to work with");
    pthread_mutex_unlock(&c->lock);
    return n;
}

static nl_status run(struct crew *c, pthread_t *threads)
{
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    const int n = start(c, threads);
    if (n > 0) watch(c);
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    if (c->status == NL_OK || n == 0) return c->status;
    return nl_fail(c->status, "%s", c->status == NL_EINTR ? "interrupted" : c->message);
}

nl_status nl_crew_run(const struct nl_crew_task *task)
{
    struct crew c = {.task = task};
    pthread_t *threads = NULL;
    nl_status st = nl_calloc((size_t)task->items, sizeof *c.finished, &c.finished);
    if (st == NL_OK) st = nl_calloc((size_t)task->threads, sizeof *threads, &threads);
    if (st == NL_OK) st = run(&c, threads);
    nl_free(threads);
    nl_free(c.finished);
    return st;
}
