#include "src/app/result.h"

#include "src/app/json_text.h"
#include "src/app/table.h"
#include "src/core/memory.h"

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
                                              nl_json_text(nl_label(labels, top[i], name)),
                                              "probability", result->probability[top[i]]));
    json_t *line = json_pack("{s:o, s:I, s:i, s:s, s:o}", "video", nl_json_text(result->video),
                             "frames", (json_int_t)result->frames, "views", result->views,
                             "backend", result->backend, "top", list);
    nl_free(top);
    return nl_json_line(line, out);
}
