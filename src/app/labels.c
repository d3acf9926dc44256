#include "src/app/labels.h"

#include "src/core/file.h"
#include "src/core/memory.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

static const char *const built_in[] = {
#define NL_LABEL(name) name,
#include "src/app/kinetics400.def"
#undef NL_LABEL
};

/* A copy with spaces for underscores and without the quotes that some lists have. */
static nl_status put(struct nl_labels *labels, int index, const char *name)
{
    const size_t length = strlen(name);
    const bool quoted = length >= 2 && name[0] == '"' && name[length - 1] == '"';
    char *copy = NULL;
    NL_REQUIRE(index >= 0 && index < labels->count && !labels->names[index], NL_EUSAGE,
               "class \"%.80s\" has index %d, want each of 0 to %d once", name, index,
               labels->count - 1);
    NL_TRY(nl_copy_text(quoted ? name + 1 : name, &copy));
    if (quoted) copy[length - 2] = '\0';
    for (char *c = copy; *c; c++)
        if (*c == '_') *c = ' ';
    labels->names[index] = copy;
    return NL_OK;
}

static nl_status make_room(struct nl_labels *labels, int count)
{
    labels->count = count;
    return nl_calloc((size_t)count, sizeof *labels->names, &labels->names);
}

static nl_status from_array(struct nl_labels *labels, const json_t *root)
{
    for (int i = 0; i < labels->count; i++) {
        const char *name = json_string_value(json_array_get(root, (size_t)i));
        NL_REQUIRE(name, NL_EUSAGE, "entry %d is no text", i);
        NL_TRY(put(labels, i, name));
    }
    return NL_OK;
}

static nl_status from_object(struct nl_labels *labels, json_t *root)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        NL_REQUIRE(json_is_integer(value), NL_EUSAGE, "class \"%.80s\" has no integer", name);
        const json_int_t index = json_integer_value(value);
        NL_TRY(put(labels, index >= 0 && index < labels->count ? (int)index : -1, name));
    }
    return NL_OK;
}

static nl_status parse(struct nl_labels *labels, const char *text, int classes)
{
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    NL_REQUIRE(root, NL_EUSAGE, "line %d: %s", error.line, error.text);
    const size_t count = json_is_array(root) ? json_array_size(root) : json_object_size(root);
    nl_status st = NL_OK;
    if (!json_is_array(root) && !json_is_object(root))
        st = nl_fail(NL_EUSAGE, "want a JSON array of class names");
    else if (count != (size_t)classes)
        st = nl_fail(NL_EUSAGE, "%zu class names, MODEL.num_classes is %d", count, classes);
    if (st == NL_OK) st = make_room(labels, classes);
    if (st == NL_OK)
        st = json_is_array(root) ? from_array(labels, root) : from_object(labels, root);
    json_decref(root);
    return st;
}

static nl_status from_file(struct nl_labels *labels, const char *path, int classes)
{
    enum { LIMIT = 16 << 20 };
    char *text = NULL;
    size_t size;
    NL_TRY(nl_file_read(path, LIMIT, &text, &size));
    nl_status st = parse(labels, text, classes);
    if (st == NL_EUSAGE) st = nl_fail(st, "%s: %s", path, nl_error());
    nl_free(text);
    return st;
}

static nl_status from_table(struct nl_labels *labels)
{
    NL_TRY(make_room(labels, (int)NL_COUNT(built_in)));
    for (int i = 0; i < labels->count; i++) NL_TRY(put(labels, i, built_in[i]));
    return NL_OK;
}

nl_status nl_labels_open(struct nl_labels *labels, const struct nl_settings *settings)
{
    const char *path = settings->config.infer.kinetics_labels;
    const int classes = settings->config.model.num_classes;
    const bool given = nl_settings_origin(settings, "INFER.kinetics_labels") != NL_BY_DEFAULT &&
                       strcmp(path, "./data/dataset/kinetics_labels.json") != 0;
    *labels = (struct nl_labels){.names = NULL};
    nl_status st = NL_OK;
    if (*path && (given || access(path, R_OK) == 0))
        st = from_file(labels, path, classes);
    else if (classes == (int)NL_COUNT(built_in))
        st = from_table(labels);
    if (st != NL_OK) nl_labels_clear(labels);
    return st;
}

void nl_labels_clear(struct nl_labels *labels)
{
    for (int i = 0; labels->names && i < labels->count; i++) nl_free(labels->names[i]);
    nl_free(labels->names);
    *labels = (struct nl_labels){.names = NULL};
}

const char *nl_label(const struct nl_labels *labels, int index, char *scratch)
{
    if (labels->names && index < labels->count) return labels->names[index];
    snprintf(scratch, 32, "class %d", index);
    return scratch;
}
