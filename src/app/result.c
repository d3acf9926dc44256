#include "src/app/result.h"

#include "src/app/table.h"
#include "src/core/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Whether class `one` comes before class `two`. */
static bool before(const double *probability, int one, int two)
{
    if (probability[one] != probability[two]) return probability[one] > probability[two];
    return one < two;
}

void nl_top_classes(const double *probability, int classes, int k, int *out)
{
    int count = 0;
    for (int c = 0; c < classes; c++) {
        int at = count;
        while (at > 0 && before(probability, c, out[at - 1])) at--;
        if (at == k) continue;
        if (count < k) count++;
        for (int i = count - 1; i > at; i--) out[i] = out[i - 1];
        out[at] = c;
    }
}

nl_status nl_result_print(const struct nl_result *result, const struct nl_labels *labels, int k,
                          FILE *out)
{
    struct nl_table table = {.columns = 3, .align = "rlr"};
    char shown[1024], name[32];
    int *top = NULL;
    NL_TRY(nl_calloc((size_t)k, sizeof *top, &top));
    nl_top_classes(result->probability, result->classes, k, top);
    fprintf(out, "%s  (%s, %d views)\n", nl_text_escape(result->video, shown, sizeof shown),
            result->about, result->views);
    nl_status st = NL_OK;
    for (int i = 0; st == NL_OK && i < k; i++)
        st = nl_table_add(&table, "%d\t%s\t%.4f", i + 1, nl_label(labels, top[i], name),
                          result->probability[top[i]]);
    if (st == NL_OK) nl_table_print(&table, 2, out);
    nl_table_clear(&table);
    nl_free(top);
    return st;
}

/* Length of the UTF-8 character at `text`, 0 where there is none. */
static int utf8_length(const unsigned char *text)
{
    const int more = text[0] < 0x80                      ? 0
                     : text[0] >= 0xC2 && text[0] < 0xE0 ? 1
                     : text[0] >= 0xE0 && text[0] < 0xF0 ? 2
                     : text[0] >= 0xF0 && text[0] < 0xF5 ? 3
                                                         : -1;
    for (int i = 1; i <= more; i++)
        if ((text[i] & 0xC0) != 0x80) return 0;
    return more + 1;
}

static json_t *text_of(const char *bytes)
{
    json_t *whole = json_string(bytes);
    if (whole) return whole;
    struct nl_text mended = {.data = NULL};
    for (const unsigned char *c = (const unsigned char *)bytes; *c;) {
        const int length = utf8_length(c);
        nl_text_add(&mended, "%.*s", length ? length : 3,
                    length ? (const char *)c : "\xEF\xBF\xBD");
        c += length ? length : 1;
    }
    whole = json_string(mended.data ? mended.data : "");
    nl_text_clear(&mended);
    return whole ? whole : json_string("?"); /* surrogates: no UTF-8 either */
}

nl_status nl_result_json(const struct nl_result *result, const struct nl_labels *labels, int k,
                         FILE *out)
{
    char name[32];
    int *top = NULL;
    NL_TRY(nl_calloc((size_t)k, sizeof *top, &top));
    nl_top_classes(result->probability, result->classes, k, top);
    json_t *list = json_array();
    for (int i = 0; i < k; i++)
        json_array_append_new(list, json_pack("{s:i, s:o, s:f}", "class", top[i], "label",
                                              text_of(nl_label(labels, top[i], name)),
                                              "probability", result->probability[top[i]]));
    json_t *line = json_pack("{s:o, s:I, s:i, s:s, s:o}", "video", text_of(result->video), "frames",
                             (json_int_t)result->frames, "views", result->views, "backend",
                             result->backend, "top", list);
    nl_free(top);
    NL_REQUIRE(line, NL_ENOMEM, "out of memory for a JSON line");
    json_dumpf(line, out, JSON_COMPACT);
    fputc('\n', out);
    json_decref(line);
    return NL_OK;
}
