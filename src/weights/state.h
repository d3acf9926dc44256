/* state.h - what a weights file holds: named host tensors, wherever the file came from.
 *
 * nl_state_load tells the form by content, never by suffix: safetensors; a pickle (Paddle's
 * .pdparams, Caffe2's .pkl, protocols 0 to 5) read by a machine that builds numbers, texts and
 * arrays and refuses everything else; Paddle's combined tensor streams; a folder of such streams.
 * Tensors keep the file's layout (filters [K,C,kt,kh,kw]) and lie in the mapped file wherever they
 * can; names are the original program's (Caffe2's blobs are renamed). Every length in a file is
 * checked against its size before it is used. A file that shrinks while it is mapped ends the
 * process, as with any mapping. Hosts are little endian, as the files are.
 */
#ifndef NL_STATE_H
#define NL_STATE_H

#include "src/core/file.h"
#include "src/tensor/params.h"

enum {
    NL_ENTRY_RANK = 8,        /* extents of a tensor in a file */
    NL_ENTRY_NAME_MAX = 1024, /* bytes of its name */
    NL_STATE_ENTRIES_MAX = 65536
};

/* Who wrote the file; decides how pred_w is read (apply.h). */
typedef enum {
    NL_ORIGIN_OURS,    /* safetensors with format=nonlocal in its metadata */
    NL_ORIGIN_PADDLE,  /* pickle, streams */
    NL_ORIGIN_CAFFE2,  /* pickle with `blobs`, or a flat one with Caffe2's names */
    NL_ORIGIN_PYTORCH, /* not read yet */
    NL_ORIGIN_PLAIN    /* any other safetensors */
} nl_origin;

/* "nonlocal", "Paddle", "Caffe2", "PyTorch", "safetensors". */
const char *nl_origin_name(nl_origin origin);

struct nl_entry {
    char *name; /* "" in a nameless state */
    nl_type type;
    int rank;
    int64_t dim[NL_ENTRY_RANK]; /* row-major */
    const void *data;           /* of any alignment: in a mapped file, or `owned` */
    size_t bytes;
    void *owned; /* for nl_free; NULL where the data is borrowed */
};

struct nl_meta {
    char *key, *value;
};

struct nl_names {
    char **list;
    int count, room;
};

struct nl_state {
    char *path; /* what was read, suffix included */
    nl_origin origin;
    bool nameless; /* a combined Paddle file: tensors in the order of their names, which it lacks */
    struct nl_entry *list; /* sorted by name (strcmp), each name once */
    int count, room;
    struct nl_meta *meta; /* safetensors' metadata */
    int n_meta;
    struct nl_names ignored; /* what the file holds beside tensors: other files, other keys */
    int solver;              /* momenta, learning rates and counters that were skipped */
    struct nl_file_map *maps;
    int n_maps, maps_room;
};

struct nl_state_hints {
    const struct nl_params *params; /* gives a nameless file its names, as nl_state_adopt_names */
};

/* Reads `path`, or where nothing has that name `path`.pdparams (as Paddle does). `hints` may be
 * NULL. NL_EIO with the path for what is missing, no regular file or folder, truncated,
 * inconsistent, of no known form, or asks for more than arrays; NL_ENOMEM. `*state` is for
 * nl_state_clear after success and empty after failure. */
nl_status nl_state_load(const char *path, const struct nl_state_hints *hints,
                        struct nl_state *state) NL_MUST_CHECK;
void nl_state_clear(struct nl_state *state);

/* Names the tensors of a nameless state: parameters in the order of their names. Counts and every
 * shape must agree; NL_ESHAPE names the first that does not. A state with names stays as it is. */
nl_status nl_state_adopt_names(struct nl_state *state,
                               const struct nl_params *params) NL_MUST_CHECK;

/* NULL if there is none. */
const struct nl_entry *nl_state_find(const struct nl_state *state, const char *name);
const char *nl_state_meta(const struct nl_state *state, const char *key);

/* True for the names of optimizer state: X_velocity_0, X_momentum, counters. */
bool nl_state_is_solver(const char *name);

/* Sets or replaces one piece of metadata. */
nl_status nl_state_set_meta(struct nl_state *state, const char *key,
                            const char *value) NL_MUST_CHECK;

/* Elements of an entry. */
size_t nl_entry_count(const struct nl_entry *entry);
/* "[64,3,1,7,7]". Returns out; 256 bytes never truncate. */
char *nl_entry_text(const struct nl_entry *entry, char *out, size_t size);
/* Element `i` as a double (bf16 and f16 too). */
double nl_entry_value(const struct nl_entry *entry, size_t i);

nl_status nl_names_add(struct nl_names *names, const char *name) NL_MUST_CHECK;
void nl_names_clear(struct nl_names *names);

#endif
