/* crew.h - a few threads that work through a number of items, with progress and Ctrl-C. */
#ifndef NL_CREW_H
#define NL_CREW_H

#include "src/app/progress.h"
#include "src/core/status.h"

struct nl_crew_task {
    int items, threads;                      /* threads: at least 1 */
    nl_status (*work)(void *user, int item); /* on any thread; items start in order */
    void (*finished)(void *user, int item);  /* NULL, or: on the caller's thread, in any order,
                                                 after a work that returned NL_OK */
    void *user;
    struct nl_progress *progress; /* NULL, or: counts items */
};

/* Returns once every thread is done. The first status of a work other than NL_OK ends the task, and
 * is returned with its message. NL_EINTR when nl_interrupted; what was begun is finished.
 * NL_ENOMEM. */
nl_status nl_crew_run(const struct nl_crew_task *task) NL_MUST_CHECK;

#endif
