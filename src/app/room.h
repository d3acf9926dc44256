/* room.h - memory that the process can still get, and whether what is planned fits in it. */
#ifndef NL_ROOM_H
#define NL_ROOM_H

#include "src/app/command.h"

/* Bytes for what is planned; 0 where the system does not say. The least of what the machine has
 * available, what the control groups of the process leave (v1 and v2, all levels) and what `ulimit -v`
 * does once `threads` that are to compute (0: none) and `readers` of videos have taken theirs. */
double nl_room(int threads, int readers);

/* The same but for the last, with the files of /proc and /sys below the folder `root`. */
double nl_room_at(const char *root);

/* What will be allocated for a batch. `measure` gives the bytes for one of any size, without
 * allocating them. */
struct nl_room_plan {
    const struct nl_run *run; /* its command says what to type */
    int64_t batch;
    nl_status (*measure)(void *user, int64_t batch, double *bytes);
    void *user;
};

/* NL_EUSAGE where there is no room: what is needed, what is there, which batch fits and how to ask
 * for it. */
nl_status nl_room_check(const struct nl_room_plan *plan) NL_MUST_CHECK;

#endif
