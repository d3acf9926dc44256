#include "src/app/eval.h"
#include "src/app/json_text.h"
#include "src/app/result.h"
#include "src/core/file.h"
#include "src/core/memory.h"
#include "src/core/text.h"
#include "src/weights/safetensors.h"

#include <jansson.h>
#include <string.h>

struct counts {
    int64_t top1, top5, videos, clips_right, clips, broken;
    int64_t *right, *of; /* [classes] */
    int64_t *confusion;  /* [classes, classes]: label, best class; broken videos are in none */
};

enum { TOP = 5 };

static int tops_of(const struct nl_eval *e)
{
    return e->classes < TOP ? e->classes : TOP;
}

static void count(const struct nl_eval *e, int i, struct counts *c)
{
    const struct nl_verdict *v = &e->all[i];
    const int64_t label = e->labels[i];
    int top[TOP];
    c->videos++;
    c->of[label]++;
    c->clips_right += v->clips_right;
    c->clips += v->clips;
    if (v->status) {
        c->broken++;
        return;
    }
    nl_top_classes(v->score, e->classes, tops_of(e), top);
    c->confusion[label * e->classes + top[0]]++;
    c->top1 += top[0] == label;
    c->right[label] += top[0] == label;
    for (int k = 0; k < tops_of(e); k++) c->top5 += top[k] == label;
}

static double percent(int64_t part, int64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : 0;
}

/* Over classes that occur. */
static double mean_class(const struct nl_eval *e, const struct counts *c)
{
    double sum = 0;
    int there = 0;
    for (int k = 0; k < e->classes; k++) {
        if (!c->of[k]) continue;
        sum += percent(c->right[k], c->of[k]);
        there++;
    }
    return there ? sum / there : 0;
}

static void print(const struct nl_eval *e, const struct counts *c)
{
    printf("TOP1_ACC: %.2f (%lld/%lld)\n", percent(c->top1, c->videos), (long long)c->top1,
           (long long)c->videos);
    if (e->early_stop)
        printf("TOP5_ACC: not computed (--early_stop)\n");
    else
        printf("TOP5_ACC: %.2f (%lld/%lld)\n", percent(c->top5, c->videos), (long long)c->top5,
               (long long)c->videos);
    printf("CLIP_ACC: %.2f (%lld/%lld)\n", percent(c->clips_right, c->clips),
           (long long)c->clips_right, (long long)c->clips);
    printf("MEAN_CLASS_ACC: %.2f\n", mean_class(e, c));
    fflush(stdout);
}

static nl_status begin(const struct nl_eval *e, const char *name, struct nl_file_write *w)
{
    struct nl_text path = {.data = NULL};
    nl_text_add(&path, "%s/%s", e->folder, name);
    nl_status st = nl_text_check(&path);
    if (st == NL_OK) st = nl_file_write_begin(w, path.data);
    nl_text_clear(&path);
    return st;
}

/* A field of a csv file: quoted, quotes doubled. */
static void put_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_prediction(const struct nl_eval *e, int i, FILE *out)
{
    const struct nl_verdict *v = &e->all[i];
    int top[TOP];
    put_quoted(e->inputs.list[i].path, out);
    fprintf(out, ",%lld", (long long)e->labels[i]);
    if (v->status) {
        fputs(",broken\n", out);
        return;
    }
    nl_top_classes(v->score, e->classes, tops_of(e), top);
    fprintf(out, ",%s", top[0] == e->labels[i] ? "right" : "wrong");
    for (int k = 0; k < tops_of(e); k++)
        fprintf(out, ",%d,%.6f", top[k], v->score[top[k]] / (v->views ? v->views : 1));
    fputc('\n', out);
}

static nl_status write_predictions(const struct nl_eval *e)
{
    struct nl_file_write w;
    NL_TRY(begin(e, "predictions.csv", &w));
    fputs("video,label,verdict", w.file);
    for (int k = 1; k <= tops_of(e); k++) fprintf(w.file, ",class%d,probability%d", k, k);
    fputc('\n', w.file);
    for (int i = 0; i < e->done; i++) put_prediction(e, i, w.file);
    return nl_file_write_commit(&w);
}

static nl_status write_confusion(const struct nl_eval *e, const struct counts *c)
{
    struct nl_file_write w;
    NL_TRY(begin(e, "confusion.csv", &w));
    fputs("label", w.file);
    for (int k = 0; k < e->classes; k++) fprintf(w.file, ",%d", k);
    for (int label = 0; label < e->classes; label++) {
        fprintf(w.file, "\n%d", label);
        for (int k = 0; k < e->classes; k++)
            fprintf(w.file, ",%lld", (long long)c->confusion[label * e->classes + k]);
    }
    fputc('\n', w.file);
    return nl_file_write_commit(&w);
}

static nl_status write_summary(const struct nl_eval *e, const struct counts *c)
{
    struct nl_file_write w;
    json_t *root = json_pack(
        "{s:f, s:o, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:o}", "top1", percent(c->top1, c->videos),
        "top5", e->early_stop ? json_null() : json_real(percent(c->top5, c->videos)), "clip",
        percent(c->clips_right, c->clips), "mean_class", mean_class(e, c), "videos",
        (json_int_t)c->videos, "broken", (json_int_t)c->broken, "top1_right", (json_int_t)c->top1,
        "top5_right", (json_int_t)c->top5, "clips", (json_int_t)c->clips, "list",
        nl_json_text(e->list));
    NL_REQUIRE(root, NL_ENOMEM, "out of memory for summary.json");
    nl_status st = begin(e, "summary.json", &w);
    if (st == NL_OK) {
        json_dumpf(root, w.file, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        fputc('\n', w.file);
        st = nl_file_write_commit(&w);
    }
    json_decref(root);
    return st;
}

/* Views of all videos in one tensor; one video is one run of it. */
static nl_status write_views(const struct nl_eval *e)
{
    const size_t one = (size_t)e->slots * (size_t)e->classes * sizeof(uint16_t);
    char views[] = "views", labels[] = "labels", key[] = "views", text[32];
    struct nl_text path = {.data = NULL};
    char *all = NULL;
    NL_TRY(nl_calloc((size_t)e->done ? (size_t)e->done : 1, one, &all));
    for (int i = 0; i < e->done; i++) memcpy(all + (size_t)i * one, e->all[i].view, one);
    snprintf(text, sizeof text, "%dx%d", e->spec.positions, e->spec.crops);
    const struct nl_entry list[2] = {{.name = views,
                                      .type = NL_F16,
                                      .rank = 3,
                                      .dim = {e->done, e->slots, e->classes},
                                      .data = all,
                                      .bytes = (size_t)e->done * one},
                                     {.name = labels,
                                      .type = NL_I64,
                                      .rank = 1,
                                      .dim = {e->done},
                                      .data = e->labels,
                                      .bytes = (size_t)e->done * sizeof *e->labels}};
    const struct nl_meta meta = {key, text};
    nl_text_add(&path, "%s/views.safetensors", e->folder);
    nl_status st = nl_text_check(&path);
    if (st == NL_OK) st = nl_safetensors_write(path.data, list, 2, &meta, 1, NULL, NULL);
    nl_text_clear(&path);
    nl_free(all);
    return st;
}

static nl_status report(const struct nl_eval *e, struct counts *c)
{
    const size_t classes = (size_t)e->classes;
    NL_TRY(nl_calloc(classes, sizeof *c->right, &c->right));
    NL_TRY(nl_calloc(classes, sizeof *c->of, &c->of));
    NL_TRY(nl_calloc(classes * classes, sizeof *c->confusion, &c->confusion));
    for (int i = 0; i < e->done; i++) count(e, i, c);
    print(e, c);
    if (!e->folder) return NL_OK;
    NL_TRY(write_predictions(e));
    NL_TRY(write_confusion(e, c));
    NL_TRY(write_summary(e, c));
    return e->early_stop ? NL_OK : write_views(e);
}

nl_status nl_eval_report(const struct nl_eval *eval)
{
    struct counts c = {.top1 = 0};
    const nl_status st = report(eval, &c);
    nl_free(c.right);
    nl_free(c.of);
    nl_free(c.confusion);
    return st;
}
