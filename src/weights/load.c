#include "src/weights/state.h"

#include "src/core/memory.h"
#include "src/weights/dictionary.h"
#include "src/weights/paddle.h"
#include "src/weights/pickle.h"
#include "src/weights/safetensors.h"
#include "src/weights/state_build.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static bool begins(const struct nl_file_map *map, const char *bytes, size_t count)
{
    return map->size >= count && memcmp(map->data, bytes, count) == 0;
}

/* PyTorch writes zip archives; before version 1.6 a pickle that begins with this number. */
static bool is_pytorch(const struct nl_file_map *map)
{
    static const char zip[] = "PK\3\4",
                      old[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    return begins(map, zip, sizeof zip - 1) || begins(map, old, sizeof old - 1);
}

static nl_status read_file(struct nl_state *state)
{
    struct nl_file_map map;
    NL_TRY(nl_state_map(state, state->path, &map));
    if (map.size == 0) return nl_state_fail(state, "is empty");
    if (nl_safetensors_is(&map)) return nl_safetensors_read(state);
    if (is_pytorch(&map)) return nl_state_fail(state, "is a PyTorch file, which is not read yet");
    if (nl_pickle_is(map.data, map.size)) return nl_dictionary_read(state);
    if (nl_paddle_is(map.data, map.size)) return nl_paddle_read_combined(state);
    return nl_state_fail(state, "no weights: want safetensors, a pickle of Paddle or Caffe2, or "
                                "Paddle's tensor streams");
}

/* Paddle's programs are given paths without suffix. */
static nl_status find_path(const char *path, char **found, bool *folder)
{
    struct stat about;
    char longer[4096];
    int known = stat(path, &about);
    const int error = errno;
    if (known != 0 && error == ENOENT && *path) {
        const int length = snprintf(longer, sizeof longer, "%s.pdparams", path);
        if (length < (int)sizeof longer && stat(longer, &about) == 0) {
            known = 0;
            path = longer;
        }
    }
    NL_TRY(nl_copy_text(path, found));
    if (known != 0) return nl_state_fail(&(struct nl_state){.path = *found}, "%s", strerror(error));
    *folder = S_ISDIR(about.st_mode);
    return NL_OK;
}

static nl_status load(const char *path, const struct nl_state_hints *hints, struct nl_state *state)
{
    bool folder = false;
    NL_TRY(find_path(path, &state->path, &folder));
    NL_TRY(folder ? nl_paddle_read_folder(state) : read_file(state));
    if (state->count == 0)
        return nl_state_fail(state, "holds no tensors%s%s", state->ignored.count ? ", but " : "",
                             state->ignored.count ? state->ignored.list[0] : "");
    if (state->nameless)
        return hints && hints->params ? nl_state_adopt_names(state, hints->params) : NL_OK;
    return nl_state_sort(state);
}

nl_status nl_state_load(const char *path, const struct nl_state_hints *hints,
                        struct nl_state *state)
{
    *state = (struct nl_state){.path = NULL};
    const nl_status st = load(path, hints, state);
    if (st != NL_OK) nl_state_clear(state);
    return st;
}
