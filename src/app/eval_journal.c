#include "src/app/eval.h"

#include "reader/hash.h"
#include "src/core/file.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/core/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

nl_status nl_verdict_new(const struct nl_eval *eval, struct nl_verdict *verdict)
{
    const size_t classes = (size_t)eval->classes;
    *verdict = (struct nl_verdict){.status = 0};
    NL_TRY(nl_calloc(classes, sizeof *verdict->score, &verdict->score));
    return nl_calloc(classes * (size_t)eval->slots, sizeof *verdict->view, &verdict->view);
}

void nl_verdict_clear(struct nl_verdict *verdict)
{
    nl_free(verdict->score);
    nl_free(verdict->view);
    *verdict = (struct nl_verdict){.status = 0};
}

/* A hash of a file; of a folder of weights its name. */
static nl_status identity(const char *path, char out[NL_HASH_TEXT])
{
    struct stat about;
    if (stat(path, &about) == 0 && S_ISREG(about.st_mode)) return nl_file_sha256(path, out);
    snprintf(out, NL_HASH_TEXT, "%.60s", path);
    return NL_OK;
}

/* The first line: what this evaluation is of. */
static nl_status header(const struct nl_eval *eval, const char *weights, struct nl_text *out)
{
    const struct nl_view_spec *s = &eval->spec;
    char list[NL_HASH_TEXT], file[NL_HASH_TEXT];
    NL_TRY(identity(eval->list, list));
    NL_TRY(identity(weights, file));
    nl_text_add(out,
                "nonlocal evaluation: list %s weights %s arc %d pairwise %s classes %d views %dx%d "
                "frames %d rate %d side %d crop %d%s\n",
                list, file, eval->run->settings.config.model.video_arc_choice,
                eval->run->settings.config.nonlocal.options.pairwise, eval->classes, s->positions,
                s->crops, s->length, s->rate, s->short_side, s->crop,
                eval->early_stop ? " early_stop" : "");
    return nl_text_check(out);
}

static size_t record_bytes(const struct nl_eval *eval)
{
    return 4 * sizeof(int32_t) + (size_t)eval->classes * sizeof(double) +
           (size_t)eval->classes * (size_t)eval->slots * sizeof(uint16_t);
}

static void unpack(const struct nl_eval *eval, const char *from, struct nl_verdict *v)
{
    const size_t classes = (size_t)eval->classes;
    int32_t head[4];
    memcpy(head, from, sizeof head);
    v->status = head[0];
    v->views = head[1];
    v->clips_right = head[2];
    v->clips = head[3];
    from += sizeof head;
    memcpy(v->score, from, classes * sizeof *v->score);
    memcpy(v->view, from + classes * sizeof *v->score,
           classes * (size_t)eval->slots * sizeof *v->view);
}

/* Whole records behind the header; what a kill left of one is cut off. */
static nl_status read_records(struct nl_eval *eval, const char *path, const char *text, size_t size,
                              size_t from)
{
    const size_t bytes = record_bytes(eval);
    size_t at = from;
    for (; at + bytes <= size && eval->done < eval->inputs.count; at += bytes) {
        NL_TRY(nl_verdict_new(eval, &eval->all[eval->done]));
        unpack(eval, text + at, &eval->all[eval->done++]);
    }
    NL_REQUIRE(truncate(path, (off_t)at) == 0, NL_EIO, "%s: %s", path, strerror(errno));
    if (eval->done)
        nl_note("%s: going on after %d of %d videos", path, eval->done, eval->inputs.count);
    return NL_OK;
}

static nl_status read_journal(struct nl_eval *eval, const char *path, const char *want)
{
    char *text = NULL;
    size_t size;
    const size_t length = strlen(want);
    NL_TRY(nl_file_read(path, (size_t)1 << 40, &text, &size));
    nl_status st = NL_OK;
    if (size < length || memcmp(text, want, length) != 0)
        st =
            nl_fail(NL_EUSAGE,
                    "%s is of another list, other weights or views; give another --save_dir", path);
    if (st == NL_OK) st = read_records(eval, path, text, size, length);
    nl_free(text);
    return st;
}

static nl_status open_journal(struct nl_eval *eval, const char *path, const char *line)
{
    const bool there = access(path, F_OK) == 0;
    if (there) NL_TRY(read_journal(eval, path, line));
    eval->journal = fopen(path, there ? "abe" : "wbe");
    NL_REQUIRE(eval->journal, NL_EIO, "%s: %s", path, strerror(errno));
    if (!there) fputs(line, eval->journal);
    NL_REQUIRE(fflush(eval->journal) == 0, NL_EIO, "%s: %s", path, strerror(errno));
    return NL_OK;
}

nl_status nl_eval_journal_open(struct nl_eval *eval, const char *weights)
{
    struct nl_text line = {.data = NULL}, path = {.data = NULL};
    NL_TRY(nl_calloc((size_t)eval->inputs.count, sizeof *eval->all, &eval->all));
    nl_text_add(&path, "%s/eval.journal", eval->folder);
    nl_status st = nl_text_check(&path);
    if (st == NL_OK) st = header(eval, weights, &line);
    if (st == NL_OK) st = open_journal(eval, path.data, line.data);
    nl_text_clear(&line);
    nl_text_clear(&path);
    return st;
}

nl_status nl_eval_journal_add(struct nl_eval *eval, const struct nl_verdict *v)
{
    const int32_t head[4] = {v->status, v->views, v->clips_right, v->clips};
    const size_t classes = (size_t)eval->classes;
    fwrite(head, sizeof head, 1, eval->journal);
    fwrite(v->score, sizeof *v->score, classes, eval->journal);
    fwrite(v->view, sizeof *v->view, classes * (size_t)eval->slots, eval->journal);
    NL_REQUIRE(fflush(eval->journal) == 0 && !ferror(eval->journal), NL_EIO, "%s/eval.journal: %s",
               eval->folder, strerror(errno));
    return NL_OK;
}
