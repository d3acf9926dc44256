/* eval.h - evaluation over a list: what is known of each video, the journal that keeps it, the
 * report made of it.
 *
 * A video's score is the sum of its views' probabilities in double, in the order of its views
 * (original_program.md 6). Videos end in the order of the list; each is appended to the journal as
 * soon as it has, so that an evaluation that is cut off goes on after the last whole one.
 */
#ifndef NL_EVAL_H
#define NL_EVAL_H

#include "reader/sampling.h"
#include "src/app/inputs.h"
#include "src/app/session.h"

#include <stdio.h>

struct nl_verdict {             /* of one video */
    int32_t status;             /* 0, or 1: it could not be read */
    int32_t views;              /* that its score counts */
    int32_t clips_right, clips; /* single views whose best class is the label */
    double *score;              /* [classes] */
    uint16_t *view; /* [slots, classes], binary16; 0 where a view was not asked for or stopped */
};

struct nl_eval {
    struct nl_run *run;
    struct nl_view_spec spec;
    struct nl_inputs inputs;
    int64_t *labels; /* [inputs.count] */
    int classes, slots;
    const char *folder, *list;
    bool early_stop;
    FILE *journal;
    int done;               /* videos in the journal */
    struct nl_verdict *all; /* [inputs.count]; of the first `done` */
};

nl_status nl_verdict_new(const struct nl_eval *eval, struct nl_verdict *verdict) NL_MUST_CHECK;
void nl_verdict_clear(struct nl_verdict *verdict);

/* Opens the folder's journal, reading what an earlier run of the same list, weights and views left.
 * NL_EUSAGE where it is of another. */
nl_status nl_eval_journal_open(struct nl_eval *eval, const char *weights) NL_MUST_CHECK;
nl_status nl_eval_journal_add(struct nl_eval *eval, const struct nl_verdict *v) NL_MUST_CHECK;

/* Prints the accuracies and writes predictions.csv, summary.json, confusion.csv and
 * views.safetensors into the folder (NULL: none). */
nl_status nl_eval_report(const struct nl_eval *eval) NL_MUST_CHECK;

/* --rescore: accuracies of a subset of stored views. */
nl_status nl_eval_rescore(struct nl_run *run) NL_MUST_CHECK;

#endif
