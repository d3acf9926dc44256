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

/* Sections of the settings that decide what comes out, as YAML. */
static nl_status add_settings(const struct nl_eval *eval, struct nl_text *out)
{
    struct nl_text all = {.data = NULL};
    bool inside = false;
    nl_settings_dump(&eval->run->settings, &all);
    const nl_status st = nl_text_check(&all);
    for (const char *line = all.data; st == NL_OK && *line;) {
        const int length = (int)strcspn(line, "\n");
        if (*line != ' ')
            inside = strncmp(line, "MODEL:", 6) == 0 || strncmp(line, "NONLOCAL:", 9) == 0;
        if (inside) nl_text_add(out, "%.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
    nl_text_clear(&all);
    return st;
}

/* The first lines: what this evaluation is of. */
static nl_status header(const struct nl_eval *eval, const char *weights, struct nl_text *out)
{
    const struct nl_view_spec *s = &eval->spec;
    char list[NL_HASH_TEXT], file[NL_HASH_TEXT], truth[NL_HASH_TEXT] = "own";
    NL_TRY(identity(eval->list, list));
    NL_TRY(identity(weights, file));
    if (eval->inputs.list[0].index >= 0)
        NL_TRY(identity(eval->run->settings.config.test.filename_gt, truth));
    NL_TRY(add_settings(eval, out));
    nl_text_add(out,
                "nonlocal evaluation: list %s labels %s weights %s classes %d views %dx%d "
                "frames %d rate %d side %d crop %d%s\n",
                list, truth, file, eval->classes, s->positions, s->crops, s->length, s->rate,
                s->short_side, s->crop, eval->early_stop ? " early_stop" : "");
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

/* *fresh: the journal ends within what it says first, as on a full disk, and begins anew. */
static nl_status read_journal(struct nl_eval *eval, const char *path, const char *want, bool *fresh)
{
    char *text = NULL;
    size_t size;
    const size_t length = strlen(want);
    NL_TRY(nl_file_read(path, (size_t)1 << 40, &text, &size));
    nl_status st = NL_OK;
    *fresh = size < length;
    if (memcmp(text, want, *fresh ? size : length) != 0)
        st = nl_fail(NL_EUSAGE,
                     "%s is of another list, other weights, network, views, precision or backend; "
                     "give another --save_dir",
                     path);
    if (st == NL_OK && !*fresh) st = read_records(eval, path, text, size, length);
    nl_free(text);
    return st;
}

static nl_status open_journal(struct nl_eval *eval, const char *path, const char *line)
{
    bool fresh = access(path, F_OK) != 0;
    if (!fresh) NL_TRY(read_journal(eval, path, line, &fresh));
    eval->journal = fopen(path, fresh ? "wbe" : "abe");
    NL_REQUIRE(eval->journal, NL_EIO, "%s: %s", path, strerror(errno));
    if (fresh) fputs(line, eval->journal);
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
