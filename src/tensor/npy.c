#include "src/tensor/npy.h"

#include "src/core/memory.h"
#include "src/core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HEADER_MAX = 65536, ALIGNMENT = 64 };

static const struct {
    const char *descr;
    nl_type type;
} types[] = {{"<f4", NL_F32}, {"<f8", NL_F64}, {"<i8", NL_I64}, {"|u1", NL_U8}};

/* The header is a Python dictionary of three known keys; this reads no more than that. */
struct scanner {
    const unsigned char *at, *end;
};

static void skip_blanks(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n')) s->at++;
}

static bool take(struct scanner *s, const char *word)
{
    const size_t length = strlen(word);
    skip_blanks(s);
    if ((size_t)(s->end - s->at) < length || memcmp(s->at, word, length) != 0) return false;
    s->at += length;
    return true;
}

static bool take_text(struct scanner *s, char *out, size_t size)
{
    size_t n = 0;
    skip_blanks(s);
    if (s->at == s->end || (*s->at != '\'' && *s->at != '"')) return false;
    const unsigned char quote = *s->at++;
    while (s->at < s->end && *s->at != quote && n + 1 < size) out[n++] = (char)*s->at++;
    out[n] = '\0';
    return s->at < s->end && *s->at++ == quote;
}

static bool take_number(struct scanner *s, int64_t *out)
{
    int n = 0;
    *out = 0;
    skip_blanks(s);
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9' && n < 18; n++)
        *out = *out * 10 + (*s->at++ - '0');
    return n > 0;
}

/* "(2, 3)", "(2,)" or "()". */
static bool take_shape(struct scanner *s, struct nl_npy *npy)
{
    npy->rank = 0;
    if (!take(s, "(")) return false;
    while (!take(s, ")")) {
        if (npy->rank == NL_NPY_RANK || !take_number(s, &npy->dim[npy->rank])) return false;
        npy->rank++;
        if (!take(s, ",")) return take(s, ")");
    }
    return true;
}

struct header {
    char descr[32];
    bool fortran;
    int seen; /* one bit per key */
};

static bool take_item(struct scanner *s, struct nl_npy *npy, struct header *h)
{
    char key[32];
    if (!take_text(s, key, sizeof key) || !take(s, ":")) return false;
    if (strcmp(key, "descr") == 0) {
        h->seen |= 1;
        return take_text(s, h->descr, sizeof h->descr);
    }
    if (strcmp(key, "fortran_order") == 0) {
        h->seen |= 2;
        h->fortran = take(s, "True");
        return h->fortran || take(s, "False");
    }
    h->seen |= 4;
    return strcmp(key, "shape") == 0 && take_shape(s, npy);
}

static bool take_header(struct scanner *s, struct nl_npy *npy, struct header *h)
{
    if (!take(s, "{")) return false;
    while (!take(s, "}")) {
        if (!take_item(s, npy, h)) return false;
        if (!take(s, ",")) {
            if (!take(s, "}")) return false;
            break;
        }
    }
    return h->seen == 7;
}

static nl_status check_header(const char *path, struct nl_npy *npy, const struct header *h)
{
    size_t i = 0;
    while (i < NL_COUNT(types) && strcmp(h->descr, types[i].descr) != 0) i++;
    NL_REQUIRE(i < NL_COUNT(types), NL_EIO,
               "%s: data type \"%s\", want float32, float64, int64 or uint8", path, h->descr);
    npy->type = types[i].type;
    NL_REQUIRE(!h->fortran || npy->rank < 2, NL_EIO,
               "%s: Fortran order is not read; save numpy.ascontiguousarray of it", path);
    return NL_OK;
}

static nl_status check_size(const char *path, struct nl_npy *npy, size_t left)
{
    const size_t element = nl_type_size(npy->type);
    size_t count = 1;
    for (int i = 0; i < npy->rank; i++) {
        const size_t dim = (size_t)npy->dim[i];
        NL_REQUIRE(dim == 0 || count <= SIZE_MAX / 16 / dim, NL_EIO, "%s: impossible shape", path);
        count *= dim;
    }
    NL_REQUIRE(count * element == left, NL_EIO, "%s: %zu bytes of data, its shape wants %zu", path,
               left, count * element);
    npy->count = (int64_t)count;
    return NL_OK;
}

/* Where the data begins; `s` gets the header's text. */
static nl_status find_header(const char *path, const struct nl_file_map *map, struct scanner *s,
                             size_t *start)
{
    const unsigned char *d = map->data;
    const bool npy = map->size >= 12 && memcmp(d, "\x93NUMPY", 6) == 0;
    NL_REQUIRE(npy && d[6] >= 1 && d[6] <= 3, NL_EIO, "%s: no .npy file of version 1 to 3", path);
    size_t length = (size_t)d[8] | (size_t)d[9] << 8, prefix = 10;
    if (d[6] > 1) {
        length |= (size_t)d[10] << 16 | (size_t)d[11] << 24;
        prefix = 12;
    }
    NL_REQUIRE(length <= HEADER_MAX && length <= map->size - prefix, NL_EIO,
               "%s: truncated: a header of %zu bytes in a file of %zu", path, length, map->size);
    *s = (struct scanner){d + prefix, d + prefix + length};
    *start = prefix + length;
    return NL_OK;
}

/* Old files align data to 16 bytes at best; what our types cannot be read from is copied. */
static nl_status place_data(struct nl_npy *npy, size_t start)
{
    const unsigned char *from = npy->map.data + start;
    npy->data = from;
    if ((uintptr_t)from % nl_type_size(npy->type) == 0) return NL_OK;
    const size_t bytes = npy->map.size - start;
    NL_TRY(nl_alloc(bytes, &npy->owned));
    if (bytes) memcpy(npy->owned, from, bytes);
    npy->data = npy->owned;
    return NL_OK;
}

static nl_status read_map(const char *path, struct nl_npy *npy)
{
    struct scanner s = {NULL, NULL};
    struct header h = {.seen = 0};
    size_t start = 0;
    NL_TRY(find_header(path, &npy->map, &s, &start));
    NL_REQUIRE(take_header(&s, npy, &h), NL_EIO,
               "%s: broken header: want descr, fortran_order and a shape of at most %d extents",
               path, (int)NL_NPY_RANK);
    NL_TRY(check_header(path, npy, &h));
    NL_TRY(check_size(path, npy, npy->map.size - start));
    return place_data(npy, start);
}

nl_status nl_npy_read(const char *path, struct nl_npy *npy)
{
    char shown[512];
    *npy = (struct nl_npy){.rank = 0};
    NL_TRY(nl_file_map(path, &npy->map));
    const nl_status st = read_map(nl_text_escape(path, shown, sizeof shown), npy);
    if (st != NL_OK) nl_npy_clear(npy);
    return st;
}

void nl_npy_clear(struct nl_npy *npy)
{
    nl_file_unmap(&npy->map);
    nl_free(npy->owned);
    *npy = (struct nl_npy){.rank = 0};
}

/* Magic, version 1.0, length, dictionary, blanks and a newline: a multiple of 64 bytes. */
static void put_header(FILE *file, const char *descr, int rank, const int64_t *dim)
{
    char text[512];
    int used =
        snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < rank; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%" PRId64 "%s", dim[i],
                         rank == 1      ? ","
                         : i + 1 < rank ? ", "
                                        : "");
    used += snprintf(text + used, sizeof text - (size_t)used, "), }");
    const int padding = ALIGNMENT - (10 + used + 1) % ALIGNMENT;
    const int length = used + padding % ALIGNMENT + 1;
    const unsigned char front[10] = {0x93,
                                     'N',
                                     'U',
                                     'M',
                                     'P',
                                     'Y',
                                     1,
                                     0,
                                     (unsigned char)(length & 255),
                                     (unsigned char)(length >> 8)};
    fwrite(front, 1, sizeof front, file);
    fprintf(file, "%-*s\n", length - 1, text);
}

nl_status nl_npy_write(const char *path, nl_type type, int rank, const int64_t *dim,
                       const void *data)
{
    struct nl_file_write w;
    size_t i = 0, count = 1;
    while (i < NL_COUNT(types) && types[i].type != type) i++;
    NL_REQUIRE(i < NL_COUNT(types) && rank >= 0 && rank <= NL_NPY_RANK, NL_EINVAL,
               "%s: .npy files of %s and %d extents are not written", path, nl_type_name(type),
               rank);
    for (int k = 0; k < rank; k++) NL_TRY(nl_size_mul(count, (size_t)dim[k], &count));
    NL_TRY(nl_file_write_begin(&w, path));
    put_header(w.file, types[i].descr, rank, dim);
    /* A short write marks the file, and commit reports it. */
    if (count) fwrite(data, nl_type_size(type), count, w.file);
    return nl_file_write_commit(&w);
}
