#include "src/weights/state.h"

#include "src/core/memory.h"
#include "src/weights/fit.h"
#include "src/weights/state_build.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    const struct nl_param *const *one = a, *const *two = b;
    return strcmp((*one)->name, (*two)->name);
}

static nl_status name_all(struct nl_state *state, const struct nl_param **sorted)
{
    struct nl_fit fit;
    for (int i = 0; i < state->count; i++) {
        if (nl_fit_param(state, &state->list[i], sorted[i], 0, &fit) == NL_OK) continue;
        nl_state_fail(state, "its tensor %d of %d cannot be %s, the configured network's", i + 1,
                      state->count, sorted[i]->name);
        return NL_ESHAPE;
    }
    for (int i = 0; i < state->count; i++) {
        nl_free(state->list[i].name);
        state->list[i].name = NULL;
        NL_TRY(nl_copy_text(sorted[i]->name, &state->list[i].name));
    }
    state->nameless = false;
    return NL_OK;
}

nl_status nl_state_adopt_names(struct nl_state *state, const struct nl_params *params)
{
    const struct nl_param **sorted = NULL;
    if (!state->nameless) return NL_OK;
    NL_REQUIRE(params->count == state->count, NL_ESHAPE,
               "%s: a file without names that holds %d tensors, the configured network has %d",
               state->path, state->count, params->count);
    NL_TRY(nl_calloc((size_t)state->count, sizeof(const struct nl_param *), &sorted));
    for (int i = 0; i < state->count; i++) sorted[i] = &params->list[i];
    qsort(sorted, (size_t)state->count, sizeof(const struct nl_param *), by_name);
    const nl_status st = name_all(state, sorted);
    nl_free(sorted);
    return st;
}
